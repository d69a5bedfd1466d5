package scan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// texts are inputs on which this package and encoding/json have to agree.
var texts = []string{
	``, ` `, `null`, `true`, `false`, `tru`, `nul`, `0`, `-0`, `01`, `-`, `1.`, `1.5`, `.5`, `1e`, `1e5`, `1E+5`, `-1.5e-10`, `12345678901234567890`,
	`""`, `"a"`, `"a`, `"\n"`, "\"\n\"", `"\x"`, `"\u00e9"`, `"\u00e"`, `"\ud83d\ude00"`, `"\ud83d"`, "\"\xff\"", "\"\x7f\"", `"12345678"`, `"1234567\"9"`, `"é東京"`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[[[]]]`, `{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a" : 1 , "b":[{}]}`, `{"a"}`, `{a:1}`, `{"a":}`, `{"a":1 "b":2}`, `{"a":1]`,
	` {"a":1} `, `1 2`, `{"a":{"b":[1,{"c":"d"}]},"e":null}`, `{"a":1,"a":2}`,
}

func TestValidAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range texts {
		if got, want := Valid([]byte(s)), json.Valid([]byte(s)); got != want {
			t.Errorf("Valid(%q) = %v, encoding/json says %v", s, got, want)
		}
	}
}

func TestDeepNestingIsAnErrorNotAnOverflow(t *testing.T) {
	for depth, want := range map[int]bool{MaxDepth - 1: true, MaxDepth + 2: false} {
		s := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		if got := Valid([]byte(s)); got != want {
			t.Errorf("depth %d: valid = %v", depth, got)
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := Valid(b), json.Valid(b); got != want {
			t.Errorf("Valid(%q) = %v, encoding/json says %v", b, got, want)
		}
	})
}

func FuzzUnquote(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 || b[0] != '"' || !json.Valid(b) || b[len(b)-1] != '"' {
			return
		}
		var want string
		if err := json.Unmarshal(b, &want); err != nil {
			return // not a string alone
		}
		got := AppendUnquoted(nil, b[1:len(b)-1])
		if string(got) != want {
			t.Errorf("unquoted %q = %q, encoding/json says %q", b, got, want)
		}
		var back string
		if err := json.Unmarshal(AppendQuoted(nil, got), &back); err != nil || back != want {
			t.Errorf("quoted %q again: %q, %v", want, back, err)
		}
	})
}

func TestTreeFindsEveryPathInOnePass(t *testing.T) {
	tr := NewTree()
	paths := map[string][]Step{
		`"x"`:                 Key("a", "b"),
		`{"b":"x","c":[1,2]}`: Key("a"),
		`2`:                   append(Key("a", "c"), Step{Index: 1, IsIndex: true}),
		`null`:                Key("n"),
		`"esc\n"`:             Key("é"),
		``:                    Key("missing"),
	}
	slots := map[string]int{}
	for want, p := range paths {
		slots[want] = tr.Add(p)
	}
	if again := tr.Add(Key("a", "b")); again != slots[`"x"`] {
		t.Errorf("equal paths have numbers %d and %d", again, slots[`"x"`])
	}
	for _, slot := range slots {
		tr.Take(slot)
	}
	r := NewReader(tr)
	r.CollectRest = true
	// The second record has another order of members: hints must not matter.
	for _, src := range []string{
		`{"a":{"b":"x","c":[1,2]},"n":null,"\u00e9":"esc\n","new":[1]}`,
		` {"new":[1],"\u00e9":"esc\n","a":{"b":"x","c":[1,2]},"n":null}`,
		`{"a":{"b":"old","q":{}},"a":{"b":"x","c":[1,2]},"n":1,"n":null,"new":[1],"é":"esc\n"}`,
	} {
		end, err := r.Read([]byte(src), 0)
		if err != nil || end != len(src) {
			t.Fatalf("%s: end %d, err %v", src, end, err)
		}
		for want, slot := range slots {
			sp := r.Spans[slot]
			if got := src[sp.Start:sp.End]; got != want {
				t.Errorf("%s: got %q, want %q", src, got, want)
			}
		}
		if rest := r.AppendRest(nil, 0); string(rest) != `"new":[1]` && r.Flags&Repeated == 0 {
			t.Errorf("%s: rest %s", src, rest)
		}
	}
}

func TestRepeatedNameForgetsTheFirstValueWhole(t *testing.T) {
	tr := NewTree()
	slot := tr.Add(Key("a", "b"))
	r := NewReader(tr)
	if _, err := r.Read([]byte(`{"a":{"b":1},"a":{"c":2}}`), 0); err != nil || r.Spans[slot].Kind != None {
		t.Errorf("found %v, but the last \"a\" has no \"b\" (%v)", r.Spans[slot], err)
	}
}

func TestInvalidUTF8IsFlaggedAndRepaired(t *testing.T) {
	src := []byte("{\"a\":\"x\xffy\"}")
	_, flags, err := Skip(src, 0)
	if err != nil || flags&BadUTF8 == 0 {
		t.Fatalf("flags %v, err %v", flags, err)
	}
	if got := AppendValidUTF8(nil, src); !bytes.Equal(got, []byte("{\"a\":\"x\ufffdy\"}")) {
		t.Errorf("repaired: %q", got)
	}
}
