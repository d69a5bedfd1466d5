package spec

import (
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// rest is what an example that does not say it gets.
var rest = []struct{ key, text string }{
	{"name", "name: acme\ntitle: Acme\npublisher: Acme\nsupport: {tier: community}\ndescription: A test.\nbase_url: https://{domain}\n"},
	{"settings", "settings:\n  - {name: domain, required: true}\n  - {name: api_token, secret: true}\n"},
	{"auth", `auth: {type: bearer, value: "{api_token}"}` + "\n"},
	{"streams", "streams:\n  - name: events\n    request: {path: /v1/events}\n    records: $\n    position: {type: snapshot, time: now()}\n    table: Acme_CL\n"},
	{"tables", "tables:\n  - name: Acme_CL\n    columns: [{name: TimeGenerated, type: datetime, kql: todatetime(published)}]\n"},
}

// TestExamplesAreValid, and there is one for each key and each of its values.
func TestExamplesAreValid(t *testing.T) {
	names, err := fs.Glob(examples, "examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		data, err := examples.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc := string(data)
		if !strings.HasPrefix(doc, "# ") {
			t.Errorf("%s does not say what it shows", name)
		}
		all.WriteString(doc)
		for _, r := range rest {
			if !regexp.MustCompile(`(?m)^` + r.key + `:`).MatchString(doc) {
				doc += r.text
			}
		}
		if _, err := Parse(name, []byte(doc)); err != nil {
			t.Errorf("%v\n%s", err, doc)
		}
	}
	for _, s := range sections {
		if len(s.example) == 0 && !strings.HasPrefix(s.title, "auth.") {
			continue
		}
		for i := range s.of.NumField() {
			exemplified(t, all.String(), s.title, s.of.Field(i))
		}
	}
}

func exemplified(t *testing.T, all, section string, f reflect.StructField) {
	t.Helper()
	key := f.Tag.Get("yaml")
	if key == "schedule" || key == "table" || section == "streams" && (key == "title" || key == "name") {
		return
	}
	if !regexp.MustCompile(`\b` + key + `:`).MatchString(all) {
		t.Errorf("no example has %s of %s", key, section)
	}
	enum := f.Tag.Get("enum")
	if enum == "" || key == "method" || key == "algorithm" || key == "body_hash" {
		return
	}
	for _, v := range strings.Split(enum, "|") {
		if !regexp.MustCompile(`\b`+key+`: "?`+regexp.QuoteMeta(v)).MatchString(all) && !isDefault(key, v) {
			t.Errorf("no example has %s: %s of %s", key, v, section)
		}
	}
}

// isDefault reports whether a value need not be written.
func isDefault(key, value string) bool {
	return key == "grant" && value == "client_credentials" || key == "credentials_in" && value == "header"
}
