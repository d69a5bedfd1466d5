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
	s := Open([]Folder{{Path: dir}})
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
	if n := len(names()) + 1; err != nil || s.Err() == nil || len(list) != n || !slices.Contains(s.Names(), "broken") {
		t.Errorf("%d outlines, want %d (%v, %v)", len(list), n, err, s.Err())
	}
	if again, err := Outlines(); err != nil || len(again) != len(names()) || strings.HasPrefix(again[slices.Index(names(), "okta")].Title, "Our ") {
		t.Errorf("the built-in ones are not what they were: %v", err)
	}
}

// TestOneBadThingStopsNoOther: a folder that is not there, one without a connector, two of
// one name, and names that belong to others.
func TestOneBadThingStopsNoOther(t *testing.T) {
	okta, err := files.ReadFile("okta/connector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	called := func(heading string) string { return strings.Replace(string(okta), "name: okta", heading, 1) }
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good": called("name: good"), "one": called("name: twin"), "two": called("name: twin"),
		"alias": called("name: acme\nalias: github"), "digit": called("name: onepassword"), "a": called("name: a-x"), "b": called("name: b\nalias: a_x"),
		"folder": "name: in-file  # a comment\nalias: in_functions\ntitel: x\n", "torn": "title: [\nname: 'torn-file'\n", "nameless": "title: x\n",
	} {
		folder(t, filepath.Join(dir, name), text)
	}
	s := Open([]Folder{{dir, "sluice.yaml:1:14"}, {filepath.Join(dir, "nowhere"), "sluice.yaml:1:20"}, {filepath.Join(dir, "good"), "SLUICE_CONNECTORS"}})
	for name, want := range map[string]string{
		"twin": "there are two connectors twin: ", "acme": "would be those of github too", "onepassword": "would be those of 1password too", "a-x": "would be those of b too", "b": "would be those of a-x too",
		"in-file": "unknown key", "torn-file": "has no end", "nameless": "name", "nobody": "sluice.yaml:1:20: there is no folder",
	} {
		if c, err := s.Find(name); c != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for _, name := range []string{"good", "github", "1password", "okta"} {
		if c, err := s.Find(name); err != nil || c.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	functions := map[string]string{}
	for _, b := range s.Broken() {
		if b.Connector != nil {
			functions[b.Name] = b.Connector.FunctionName()
		}
	}
	if len(functions) != 8 || functions["in-file"] != "in_functions" || functions["torn-file"] != "torn_file" || functions["a-x"] != "a_x" || len(s.Folders()) != 1 {
		t.Errorf("broken are %v, and the folders %v", functions, s.Folders())
	}
	if list, err := s.All(); err != nil || len(list) != len(names())+1 {
		t.Errorf("%d can be used, %v", len(list), err)
	}
}

// TestTheSameFolderTwice, under whatever path, is no second connector.
func TestTheSameFolderTwice(t *testing.T) {
	dir := t.TempDir()
	folder(t, filepath.Join(dir, "broken"), "name: broken\n")
	t.Chdir(dir)
	s := Open([]Folder{{Path: dir}, {Path: "broken"}, {Path: "."}})
	if broken := s.Broken(); len(broken) != 1 || strings.Contains(broken[0].Err.Error(), "two") {
		t.Errorf("%v", broken)
	}
}
