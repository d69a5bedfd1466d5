package connectors

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder makes a folder with a connector.yaml.
func folder(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "connector.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOnesOwnTakesThePlaceOfABuiltInOne, and one with mistakes is missed by nobody else.
func TestOnesOwnTakesThePlaceOfABuiltInOne(t *testing.T) {
	okta, err := files.ReadFile("okta/connector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	folder(t, filepath.Join(dir, "ours"), strings.Replace(string(okta), "title: ", "title: Our ", 1))
	folder(t, filepath.Join(dir, "acme"), strings.Replace(string(okta), "name: okta", "name: acme", 1))
	folder(t, filepath.Join(dir, "broken"), "name: broken\ntitel: x\n")
	s, err := Open([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Find("okta"); err != nil || !strings.HasPrefix(c.Title, "Our ") || s.Path("okta") != filepath.Join(dir, "ours", "connector.yaml") {
		t.Errorf("okta is %+v, %v", c, err)
	}
	if c, err := s.Find("github"); err != nil || s.Path("github") != "" || c.Name != "github" {
		t.Errorf("github is %+v, %v", c, err)
	}
	if _, err := s.Find("broken"); err == nil || !strings.Contains(err.Error(), "did you mean title") {
		t.Errorf("broken: %v", err)
	}
	if _, err := s.Find("acmee"); err == nil || !strings.Contains(err.Error(), "did you mean acme") {
		t.Errorf("acmee: %v", err)
	}
	list, err := s.Outlines()
	if n := len(names()) + 1; err == nil || len(list) != n || !slices.Contains(s.Names(), "broken") {
		t.Errorf("%d outlines, want %d (%v)", len(list), n, err)
	}
	if again, err := Outlines(); err != nil || len(again) != len(names()) || strings.HasPrefix(again[slices.Index(names(), "okta")].Title, "Our ") {
		t.Errorf("the built-in ones are not what they were: %v", err)
	}
}
