package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-connectors/sluice/handler/testkit"
)

// official are schemas of others that files of ours have to fit. What we use of them is in
// the project: names, types, limits. The whole ones are compared with where they are at hand.
type official struct {
	file   string                  // what we use, below testdata
	source string                  // where the whole ones are from, and their licence
	base   string                  // the address of the whole ones
	dir    string                  // where they may be, below ../shared/data
	of     func(key string) string // the whole schema of what a key names, below base
	uses   []use

	// fit makes of a value what a schema, below base, is about; nil where they are the same.
	fit func(value any, of string) any
}

// use is a value that has to fit a schema.
type use struct {
	key   string // what it is, such as a type and a version
	at    string // where it is, for errors
	value any
}

// facts is a file of what we use.
type facts struct {
	Source  string                    `json:"source"`
	Renew   string                    `json:"renew"`
	Schemas map[string]map[string]any `json:"schemas"`
}

// check validates all values; -update has written the file of what we use before.
func (o *official) check(t *testing.T) {
	t.Helper()
	dir := filepath.Join(root, "..", "shared", "data", o.dir)
	if _, err := os.Stat(dir); err == nil {
		o.checkSource(t, filepath.Join(dir, "..", "README.md"))
		path, text := o.path(), o.cut(t, dir)
		if testkit.Updating() {
			err = os.WriteFile(path, text, 0o600)
		} else if kept, _ := os.ReadFile(path); string(kept) != string(text) {
			t.Errorf("%s is out of date: %s", path, o.renew())
		}
		if err != nil {
			t.Fatal(err)
		}
	} else if testkit.Updating() {
		t.Fatalf("the whole schemas are not at hand: %v", err)
	}
	o.checkKept(t)
}

// checkSource holds the source against what the folder of the whole schemas says.
func (o *official) checkSource(t *testing.T, readme string) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if commit := regexp.MustCompile(`[0-9a-f]{40}`).FindString(o.source); err != nil || commit == "" || !strings.Contains(string(text), commit) {
		t.Errorf("%s is from the commit %q, the whole schemas are not (%v)", o.file, commit, err)
	}
}

func (o *official) path() string { return filepath.Join("testdata", o.file) }

func (o *official) renew() string {
	return "go test ./scripts/cmd/generate -run 'Schemas|Forms' -update, where ../shared/data/" + o.dir + " is"
}

// cut validates all values against the whole schemas, and makes the file of what they use.
func (o *official) cut(t *testing.T, dir string) []byte {
	t.Helper()
	w := newWhole(o.base, dir)
	cuts := map[string]*cut{}
	for _, u := range o.uses {
		of := o.of(u.key)
		if of == "" {
			t.Errorf("%s: there is no schema of %s", u.at, u.key)
			continue
		}
		v := o.fitted(u, of)
		if err := w.validate(o.base+of, v); err != nil {
			t.Errorf("%s: %v", u.at, err)
			continue
		}
		if cuts[u.key] == nil {
			cuts[u.key] = &cut{}
		}
		if err := w.take(cuts[u.key], o.base+of, v); err != nil {
			t.Errorf("%s: %v", u.at, err)
		}
	}
	f := facts{o.source, "An object has the members that are named, and no others. " + o.renew() + ", writes this file anew.", map[string]map[string]any{}}
	for key, c := range cuts {
		f.Schemas[key] = c.schema()
		f.Schemas[key]["$comment"] = o.of(key)
		leaveOpen(f.Schemas[key])
	}
	return []byte(readable(f, "") + "\n")
}

func (o *official) fitted(u use, of string) any {
	if o.fit == nil {
		return u.value
	}
	return o.fit(u.value, of)
}

// checkKept validates all values against what is in the project.
func (o *official) checkKept(t *testing.T) {
	t.Helper()
	path := o.path()
	var f facts
	readJSON(t, path, &f)
	kept := map[string]*jsonschema.Schema{}
	for _, u := range o.uses {
		s := f.Schemas[u.key]
		if s == nil {
			t.Errorf("%s: %s is not in %s: %s", u.at, u.key, path, o.renew())
			continue
		}
		of := s["$comment"].(string)
		if kept[u.key] == nil {
			closeObjects(s)
			kept[u.key] = testkit.Schema(t, s)
		}
		if err := kept[u.key].Validate(o.fitted(u, of)); err != nil {
			t.Errorf("%s: %v\n(What we do not use of the schema is not in %s. %s, writes it anew.)", u.at, err, path, o.renew())
		}
	}
}

// closeObjects lets objects have the members only that a schema names.
func closeObjects(s map[string]any) {
	if namesMembers(s) {
		s["unevaluatedProperties"] = false
	}
	eachPlace(s, closeObjects)
}

// leaveOpen takes out what closeObjects says.
func leaveOpen(s map[string]any) {
	joined := slices.ContainsFunc(branches, func(k string) bool { return s[k] != nil })
	if s["properties"] != nil && s["additionalProperties"] == false && !joined {
		delete(s, "additionalProperties")
	}
	eachPlace(s, leaveOpen)
}

// namesMembers reports whether a schema names members of the value that it is about.
func namesMembers(s map[string]any) bool {
	if s["properties"] != nil {
		return true
	}
	return slices.ContainsFunc(branches, func(k string) bool {
		list, _ := s[k].([]any)
		return slices.ContainsFunc(list, func(b any) bool { return namesMembers(b.(map[string]any)) })
	})
}

// eachPlace runs f over the schemas of the values inside a value.
func eachPlace(s map[string]any, f func(map[string]any)) {
	for k, v := range s {
		switch v := v.(type) {
		case map[string]any:
			if k == "properties" || k == "patternProperties" {
				for _, p := range v {
					f(p.(map[string]any))
				}
			} else if k == "items" || k == "additionalProperties" {
				f(v)
			}
		case []any:
			if k == "prefixItems" {
				for _, p := range v {
					f(p.(map[string]any))
				}
			} else if slices.Contains(branches, k) {
				for _, b := range v {
					eachPlace(b.(map[string]any), f)
				}
			}
		}
	}
}

// readable is a value as JSON: each object and list on one line that fits there.
func readable(v any, indent string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	line := strings.TrimSpace(b.String())
	if len(indent)+len(line) < 120 {
		return line
	}
	var parts []json.RawMessage
	if json.Unmarshal([]byte(line), &parts) == nil {
		for i, p := range parts {
			parts[i] = []byte(readable(p, indent+" "))
		}
		return joined("[", parts, "]", indent)
	}
	dec := json.NewDecoder(strings.NewReader(line)) // in its order
	if open, _ := dec.Token(); open != json.Delim('{') {
		return line
	}
	for dec.More() {
		name, _ := dec.Token()
		var member json.RawMessage
		if err := dec.Decode(&member); err != nil {
			panic(err)
		}
		head := fmt.Sprintf("%q: ", name)
		parts = append(parts, []byte(head+readable(member, indent+" ")))
	}
	return joined("{", parts, "}", indent)
}

func joined(open string, parts []json.RawMessage, end, indent string) string {
	text := open
	for i, p := range parts {
		if i > 0 {
			text += ","
		}
		text += "\n" + indent + " " + string(p)
	}
	return text + "\n" + indent + end
}

// TestACutRefusesWhatTheWholeDoes, and what is new in it.
func TestACutRefusesWhatTheWholeDoes(t *testing.T) {
	dir := t.TempDir()
	text := `{"definitions": {"size": {"type": "integer", "minimum": 1, "description": "how big"}},
		"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "size": {"$ref": "#/definitions/size"}, "more": {}},
		"oneOf": [
			{"properties": {"kind": {"enum": ["a"]}, "own": {"type": "boolean"}}, "additionalProperties": true},
			{"properties": {"kind": {"enum": ["b"]}, "list": {"type": "array", "items": {"oneOf": [{"$ref": "#/definitions/size"}, {"type": "string", "pattern": "^\\["}]}}}}]}`
	if err := os.WriteFile(filepath.Join(dir, "s.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWhole("test:///", dir)
	var whole cut
	for _, v := range []string{`{"kind": "a", "size": 3, "own": true}`, `{"kind": "b", "list": [1]}`} {
		if err := w.take(&whole, "test:///s.json", decoded(t, v)); err != nil {
			t.Fatal(err)
		}
	}
	s := whole.schema()
	if got, want := readable(s["properties"], ""), `{"kind":{"type":"string"},"size":{"minimum":1,"type":"integer"}}`; got != want {
		t.Errorf("the cut has %s, want %s", got, want)
	}
	closeObjects(s)
	kept := testkit.Schema(t, s)
	for v, good := range map[string]bool{
		`{"kind": "a", "own": false}`: true, `{"kind": "b", "list": [2, 3]}`: true, `{"kind": "b"}`: true,
		`{"size": 3}`: false, `{"kind": "c"}`: false, `{"kind": "a", "size": 0}`: false, `{"kind": "a", "own": 1}`: false, `{"kind": "b", "list": [0]}`: false,
		`{"kind": "a", "more": 1}`: false, `{"kind": "b", "own": true}`: false, `{"kind": "b", "list": ["[x]"]}`: false, // not used yet
	} {
		if err := kept.Validate(decoded(t, v)); (err == nil) != good {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
