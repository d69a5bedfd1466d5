package bicep

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzCompile: whatever a file holds, it is compiled or a mistake is named.
func FuzzCompile(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.bicep")
	modules, _ := filepath.Glob("../../infra/modules/*.bicep")
	for _, p := range append(paths, modules...) {
		data, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, src string) {
		out, err := Compile("main.bicep", files("main.bicep", src, "m.bicep", "param need string\noutput o string = need\n"))
		if (err == nil) != (len(out) > 0) {
			t.Errorf("%q: %q, %v", src, out, err)
		}
	})
}
