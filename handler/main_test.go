package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// imports lists which packages of ours each package may import. Data runs one
// way and so do imports: see design, "The house".
var imports = map[string][]string{
	"handler":              {"handler/cli"},
	"handler/cli":          nil, // any: a command may show each part
	"handler/app":          {"connectors", "handler/azblob", "handler/config", "handler/dir", "handler/engine", "handler/local", "handler/logsingest", "handler/logsquery", "handler/netguard", "handler/rest", "handler/schedule", "handler/sentinel", "handler/spec", "handler/stream", "handler/telemetry"},
	"handler/scan":         {},
	"handler/nearest":      {},
	"handler/engine":       {}, // the vocabulary; standard library only
	"handler/sentinel":     {"handler/engine", "handler/kql"},
	"handler/kql":          {"handler/scan", "handler/nearest"},
	"handler/spec":         {"handler/kql", "handler/nearest", "handler/scan", "handler/schedule", "handler/sentinel"},
	"handler/schedule":     {},
	"handler/netguard":     {},
	"handler/model":        {"handler/kql", "handler/nearest", "handler/scan", "handler/spec"},
	"handler/openapi":      {"handler/nearest", "handler/spec"},
	"handler/config":       {"handler/nearest", "handler/netguard", "handler/schedule", "handler/spec"},
	"handler/decode":       {"handler/engine", "handler/scan"},
	"handler/answer":       {"handler/engine", "handler/spec"},
	"handler/auth":         {"handler/answer", "handler/engine", "handler/netguard", "handler/scan", "handler/spec"},
	"handler/rest":         {"handler/answer", "handler/auth", "handler/decode", "handler/engine", "handler/kql", "handler/nearest", "handler/netguard", "handler/scan", "handler/spec"},
	"handler/stream":       {"handler/engine", "handler/rest", "handler/sentinel", "handler/spec"},
	"handler/dir":          {"handler/engine"},
	"handler/azblob":       {"handler/engine"},
	"handler/logsingest":   {"handler/engine", "handler/netguard"},
	"handler/logsquery":    {"handler/engine", "handler/sentinel"},
	"handler/workspace":    {"handler/kql", "handler/scan", "handler/nearest", "handler/sentinel"},
	"handler/invoke":       {},
	"handler/local":        {"handler/engine", "handler/schedule"},
	"handler/demo":         {},
	"handler/gallery":      {},
	"handler/measure":      {"handler/engine"},
	"handler/telemetry":    {"handler/engine", "handler/measure"},
	"handler/watch":        {"handler/engine", "handler/measure"},
	"handler/kql/kusto":    {},
	"handler/memory":       {"handler/engine", "handler/sentinel"},
	"handler/cases":        {"handler/engine", "handler/memory", "handler/rest", "handler/scan", "handler/sentinel", "handler/spec", "handler/stream"},
	"handler/author":       {"handler/scan"},
	"handler/testkit":      {"handler/cases", "handler/engine", "handler/memory", "handler/sentinel", "handler/spec"},
	"handler/proof":        {"connectors", "handler/azblob", "handler/dir", "handler/engine", "handler/logsingest", "handler/rest", "handler/sentinel", "handler/spec", "handler/stream"},
	"connectors":           {"handler/model", "handler/spec", "handler/nearest"},
	"handler/azure/arm":    {},
	"handler/azure/deploy": {"handler/azure/arm"},
	"handler/azure/doctor": {"handler/engine"},
	"infra":                {},
	"scripts/cmd/generate": {"connectors", "handler/kql", "handler/schedule", "handler/sentinel", "handler/spec"},
	"scripts/cmd/package":  {"connectors"},
}

// sdks are each used by one package, so that another could take its place.
var sdks = map[string][]string{
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity":               {"handler/app"},
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob":           {"handler/azblob"},
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs": {"handler/logsingest"},
	"modernc.org/sqlite":             {"handler/workspace"},
	"github.com/prometheus":          {"handler/watch"},
	"go.opentelemetry.io":            {"handler/telemetry"},
	"github.com/goccy/go-yaml":       {"handler/spec"},
	"github.com/netresearch/go-cron": {"handler/schedule"},
	"github.com/klauspost/compress":  {"handler/logsingest"},
	"github.com/parquet-go":          {"handler/decode"},
	"github.com/golang-jwt/jwt":      {"handler/auth"},
	"github.com/spf13/cobra":         {"handler/cli"},
	"github.com/cockroachdb/apd":     {"handler/kql"},
	"github.com/cespare/xxhash":      {"handler/kql"},
	"github.com/ua-parser/uap-go":    {"handler/kql"},
	"golang.org/x/oauth2":            {"handler/auth"},
}

// TestNoFileIsTooLong: what is longer than this has more than one subject.
func TestNoFileIsTooLong(t *testing.T) {
	const most = 500
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if n := strings.Count(string(text), "\n"); n > most {
			t.Errorf("%s has %d lines: at most %d", path, n, most)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

const module = "github.com/sluice-connectors/sluice/"

func TestImportsPointOneWayAndPackagesSayWhatTheyAre(t *testing.T) {
	documented := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, ".."+string(filepath.Separator))))
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			return err
		}
		documented[pkg] = documented[pkg] || f.Doc.Text() != ""
		for _, im := range f.Imports {
			p := strings.Trim(im.Path.Value, `"`)
			if own, ok := strings.CutPrefix(p, module); ok && pkg != "handler/cli" && !slices.Contains(imports[pkg], own) {
				t.Errorf("%s imports %s: imports point one way", path, own)
			}
			if pkg == "handler/engine" && strings.Contains(p, ".") {
				t.Errorf("%s imports %s: the engine needs the standard library only", path, p)
			}
			for sdk, users := range sdks {
				if strings.HasPrefix(p, sdk) && !slices.Contains(users, pkg) {
					t.Errorf("%s imports %s, which belongs to %v", path, p, users)
				}
			}
		}
		if _, ok := imports[pkg]; !ok {
			t.Errorf("the package %s is not in the list of imports", pkg)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("the package %s has no paragraph that says what it is", pkg)
		}
	}
}
