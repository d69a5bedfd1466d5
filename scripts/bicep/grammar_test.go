package bicep

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAnotherGrammarReadsTheSame gives every Bicep file of the project to a grammar
// that is not ours (npm's tree-sitter-bicep): it finds no mistake, and the same
// declarations.
func TestAnotherGrammarReadsTheSame(t *testing.T) {
	packages, err := filepath.Abs(filepath.Join("..", "testdeps", "node_modules"))
	if err == nil {
		_, err = os.Stat(filepath.Join(packages, "tree-sitter-bicep"))
	}
	if err != nil {
		if os.Getenv("SLUICE_NEED_BICEP") != "" {
			t.Fatal(err)
		}
		t.Skipf("the grammar is not installed; scripts/test does that (%v)", err)
	}
	var files []string
	for _, dir := range []string{"testdata", filepath.Join("..", "..", "infra")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".bicep") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("node", "grammar.js", packages)
	cmd.Stdin, cmd.Stderr = strings.NewReader(strings.Join(files, "\n")), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(files) || len(files) < 50 {
		t.Fatalf("%d answers for %d files", len(lines), len(files))
	}
	for i, path := range files {
		var theirs struct{ Errors, Declared []string }
		if err := json.Unmarshal([]byte(lines[i]), &theirs); err != nil {
			t.Fatal(err)
		}
		for _, e := range theirs.Errors {
			t.Errorf("%s:%s: another grammar does not read this", path, e)
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parse(path, string(src))
		if err != nil {
			t.Fatal(err)
		}
		var ours []string
		for _, s := range f.statements {
			ours = append(ours, s.kind+" "+s.name)
		}
		if !slices.Equal(ours, theirs.Declared) {
			t.Errorf("%s: declared %v, another grammar reads %v", path, ours, theirs.Declared)
		}
	}
}
