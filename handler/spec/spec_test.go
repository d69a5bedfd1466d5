package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

func fixtures(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d fixtures, %v", len(paths), err)
	}
	return paths
}

// TestFixtures parses testdata/*.yaml. A file that ends in .bad.yaml begins with
// comments "# want: …", each a part of the error that it has to cause.
func TestFixtures(t *testing.T) {
	for _, path := range fixtures(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = spec.Parse(path, data)
		if !strings.HasSuffix(path, ".bad.yaml") {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		n := 0
		for _, line := range strings.Split(string(data), "\n") {
			if want, ok := strings.CutPrefix(line, "# want: "); ok {
				n++
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s:\n got %v\nwant %s", path, err, want)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s wants nothing", path)
		}
	}
}

// TestSchemaAcceptsTheConnectors: the schema for editors and the decoder agree.
func TestSchemaAcceptsTheConnectors(t *testing.T) {
	schema := testkit.Schema(t, spec.Schema())
	paths, err := filepath.Glob("../../connectors/*/connector.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no connectors", err)
	}
	validate := func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return err
		}
		return schema.Validate(v)
	}
	for _, p := range paths {
		if err := validate(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, p := range []string{"testdata/unknown_key.bad.yaml", "testdata/missing_key.bad.yaml"} {
		if err := validate(p); err == nil {
			t.Errorf("the schema accepts %s", p)
		}
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]string{"60s": "1m", "90d": "90d", "1.5h": "1h30m", "2h": "2h", "20m": "20m", "70s": "1m10s", "0s": "0s", "24h": "1d"} {
		d, err := spec.ParseDuration(in)
		if err != nil || d.String() != want {
			t.Errorf("%s: %s, %v", in, d, err)
		}
	}
	for _, in := range []string{"", "5", "d", "1w"} {
		if d, err := spec.ParseDuration(in); err == nil {
			t.Errorf("%q is %s", in, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.yaml")
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := spec.Parse("fuzz.yaml", data); err == nil && c.Name == "" {
			t.Error("accepted without a name")
		}
	})
}
