package kql

import "testing"

func TestAnIDOfPartsNeedsAllOfThem(t *testing.T) {
	let := []Named{{"key", `strcat(a, "@", b)`}}
	for _, c := range []struct{ id, rec, want string }{
		{`a`, `{"a":"1"}`, "1"},
		{`a`, `{"a":7}`, "7"},
		{`a`, `{"a":null}`, ""},
		{`strcat(a, "/", b)`, `{"a":"1","b":2}`, "1/2"},
		{`strcat(a, "/", b)`, `{"a":"1","b":""}`, ""},
		{`strcat(a, "/", b)`, `{"a":"1","b":null}`, ""},
		{`strcat(a, "/", b)`, `{"b":"1"}`, ""},
		{`strcat(tostring(x.a), "/", tostring(x.b))`, `{"x":{"a":1}}`, ""},
		{`strcat("acme-", a)`, `{}`, ""},
		{`strcat(a, "/", coalesce(tostring(b), "none"))`, `{"a":"1"}`, "1/none"},
		{`strcat(a, "/", iff(isempty(b), "none", tostring(b)))`, `{"a":"1"}`, "1/none"},
		{`coalesce(strcat(a, "/", b), tostring(c))`, `{"a":"1","c":"3"}`, "3"},
		{`strcat_delim("/", a, b)`, `{"a":"1"}`, ""},
		{`hash_sha256(strcat(a, b))`, `{"a":"1"}`, ""},
		{`hash_md5(tostring(a))`, `{}`, ""},
		{`tostring(hash_xxhash64(strcat(a, b)))`, `{"b":"1"}`, ""},
		{`tostring(pack_array(a, b))`, `{"a":"1"}`, ""},
		{`tostring(bag_pack("a", a, "b", b))`, `{"a":"1","b":2}`, `{"a":"1","b":2}`},
		{`tostring(bag_pack("a", a, "b", b))`, `{"a":"1","b":""}`, ""},
		{`dynamic_to_json(a)`, `{}`, ""},
		{`tostring(strlen(tostring(a)))`, `{}`, ""},
		{`format_datetime(todatetime(a), "yyyy")`, `{"a":"never"}`, ""},
		{`key`, `{"a":"1","b":"2"}`, "1@2"},
		{`key`, `{"a":"1"}`, ""},
	} {
		m := tableRunner(t, TableQuery{Let: let, Columns: []Named{{"TimeGenerated", "todatetime(t)"}, {"Key", "key"}}}, Options{ID: c.id})
		if _, _, err := m.Map([]byte(c.rec), nil); err != nil || string(m.ID()) != c.want {
			t.Errorf("%s of %s is %q (%v), want %q", c.id, c.rec, m.ID(), err, c.want)
		}
	}
	// A column is a text of whatever parts there are.
	if got := evaluate(t, `source | project x = strcat(a, "/", b), y = hash_md5(tostring(c))`, `{"a":"1"}`, Options{}); got != `{"x":"1/","y":"d41d8cd98f00b204e9800998ecf8427e"}` {
		t.Error(got)
	}
}

// TestAnIDWithALostCharacterIsNone: what is left of two of them may be the same.
func TestAnIDWithALostCharacterIsNone(t *testing.T) {
	for _, c := range []struct{ id, rec, want string }{
		{`a`, "{\"a\":\"M\xfcller\"}", ""},
		{`a`, "{\"a\":\"M\ufffdller\"}", ""},
		{`a`, `{"a":"\ud800"}`, ""},
		{`a`, "{\"a\":\"7\",\"b\":\"M\xfcller\"}", "7"},
		{`strcat(a, "/", b)`, "{\"a\":\"7\",\"b\":\"M\xfcller\"}", ""},
		{`hash_sha256(tostring(a))`, "{\"a\":\"M\xfcller\"}", ""},
		{`a`, `{"a":"Müller"}`, "Müller"},
	} {
		m := tableRunner(t, TableQuery{Columns: []Named{{"TimeGenerated", "todatetime(t)"}, {"B", "tostring(b)"}}}, Options{ID: c.id})
		if _, _, err := m.Map([]byte(c.rec), nil); err != nil || string(m.ID()) != c.want {
			t.Errorf("%s of %q is %q (%v), want %q", c.id, c.rec, m.ID(), err, c.want)
		}
	}
}

func TestAnIDThatIsNoneIsInTheRow(t *testing.T) {
	m := tableRunner(t, TableQuery{Columns: []Named{{"TimeGenerated", "todatetime(t)"}}}, Options{ID: "id"})
	for rec, want := range map[string]string{
		`{"t":"2026-01-01","id":"a"}`:             "",
		"{\"t\":\"2026-01-01\",\"id\":\"a\xff\"}": "\"_unfit\":{\"EventUid\":\"a\ufffd\"}",
	} {
		if _, _, err := m.Map([]byte(rec), nil); err != nil || string(m.Additional()) != want || (len(m.ID()) > 0) != (want == "") {
			t.Errorf("%q: id %q, %s (%v), want %s", rec, m.ID(), m.Additional(), err, want)
		}
	}
}
