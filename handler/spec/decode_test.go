package spec_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// kinds has a field of every kind that files have.
type kinds struct {
	Text   string                 `yaml:"text" doc:"A text."`
	Needed string                 `yaml:"needed" required:"true" doc:"What it is for."`
	Yes    bool                   `yaml:"yes" doc:"Whether."`
	Count  int                    `yaml:"count" doc:"How many."`
	Share  float64                `yaml:"share" doc:"How much."`
	Wait   spec.Duration          `yaml:"wait" doc:"How long."`
	List   []string               `yaml:"list" doc:"Some."`
	Map    map[string]string      `yaml:"map" doc:"By name."`
	Values map[string]spec.Values `yaml:"values" doc:"One or several."`
	Lets   spec.Lets              `yaml:"lets" doc:"In order."`
	Any    any                    `yaml:"any" doc:"A tree."`
	Inner  *inner                 `yaml:"inner" doc:"More."`
	Many   []inner                `yaml:"many" doc:"Several."`
}

type inner struct {
	One string `yaml:"one" doc:"One."`
	Two string `yaml:"two" enum:"a|b" doc:"Two."`
}

func TestTextsAreWhatTheFileHas(t *testing.T) {
	var got kinds
	data := "\ufeffneeded: 1.10\r\ntext: 010\r\nyes: true\r\ncount: 12\r\nshare: 0.5\r\nwait: 1.5h\r\n" +
		"list: [yes, 1_000, 1e3, 'it''s', \"a\\nb\", 2026-01-01]\r\nmap: {on: True, 5: 0x1F, \"q\\\"\": ''}\r\n" +
		"values: {a: [1.0, off], b: 99999999999999999999}\r\nlets: {z: 1.50, a: |\r\n  x\r\n  y\r\n}\r\n"
	if _, err := spec.Decode("f", []byte(strings.Replace(data, "lets: {z: 1.50, a: |\r\n  x\r\n  y\r\n}", "lets:\r\n  z: 1.50\r\n  a: |\r\n    x\r\n    y", 1)), &got); err != nil {
		t.Fatal(err)
	}
	want := kinds{Needed: "1.10", Text: "010", Yes: true, Count: 12, Share: 0.5, Wait: spec.Duration(90 * 60e9),
		List: []string{"yes", "1_000", "1e3", "it's", "a\nb", "2026-01-01"}, Map: map[string]string{"on": "True", "5": "0x1F", `q"`: ""},
		Values: map[string]spec.Values{"a": {"1.0", "off"}, "b": {"99999999999999999999"}}, Lets: spec.Lets{{Name: "z", KQL: "1.50"}, {Name: "a", KQL: "x\ny\n"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnchorsAndMergedKeys(t *testing.T) {
	var got kinds
	data := "needed: x\nany: &tree {n: 1, f: 2.5, b: false, z: null, l: [a, '010']}\nmany:\n  - &first {one: 1, two: a}\n  - {<<: *first, one: '2'}\n  - *first\ninner: {<<: *first}\nmap: {<<: {a: b}}\n"
	if _, err := spec.Decode("f", []byte(data), &got); err != nil {
		t.Fatal(err)
	}
	want := kinds{Needed: "x", Any: map[string]any{"n": int64(1), "f": 2.5, "b": false, "z": nil, "l": []any{"a", "010"}}, Map: map[string]string{"a": "b"},
		Many: []inner{{"1", "a"}, {"2", "a"}, {"1", "a"}}, Inner: &inner{"1", "a"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMistakesInFiles: each is said with its place, and in words that have nothing to
// do with the language Sluice is written in.
func TestMistakesInFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "f:1:1: the file is empty",
		"# only a comment\n":                  "f:1:1: the file is empty",
		"needed: x\n---\na: b\n":              "f:2:1: want one YAML document",
		"- a\n":                               "f:1:1: want keys and values, not a list: text, needed",
		"hello":                               `f:1:1: want keys and values, not "hello"`,
		"text: x\n":                           `f:1:1: the key "needed" is missing: What it is for.`,
		"needed:\n":                           "f:1:1: needed has no value: write one, or leave the key out (What it is for.)",
		"needed: ~\n":                         "f:1:1: needed has no value",
		"needed: ''\n":                        "f:1:1: needed is empty: What it is for.",
		"needed: x\ntext: [a]\n":              "f:2:1: text is one text, not a list (A text.)",
		"needed: x\ntext: {a}\n":              "f:2:1: text is one text, not keys and values: a text with { in it needs quotes (A text.)",
		"needed: x\nlist:\n  - Licence: E5\n": "f:3:5: list[0] is one text, not keys and values: a text with a colon and a blank in it needs quotes",
		"needed: x\nlist: a\n":                `f:2:1: list: want a list, not "a"`,
		"needed: x\nlist: [a, null]\n":        "f:2:11: list[1] has no value",
		"needed: x\nyes: yes\n":               `f:2:1: yes is true or false, not "yes" (Whether.)`,
		"needed: x\nyes: 'true'\n":            `f:2:1: yes is true or false, not the text "true"`,
		"needed: x\ncount: 1.5\n":             `f:2:1: count is a whole number such as 10, not "1.5" (How many.)`,
		"needed: x\ncount: 010\n":             `not "010"`,
		"needed: x\ncount: 1e3\n":             `not "1e3"`,
		"needed: x\ncount: 1_000\n":           `not "1_000"`,
		"needed: x\ncount: '5'\n":             `not the text "5"`,
		"needed: x\ncount: 9999999999999999999999\n":                        "f:2:1: count is a whole number",
		"needed: x\nshare: .nan\n":                                          `f:2:1: share is a number such as 0.5, not ".nan"`,
		"needed: x\nshare: half\n":                                          `f:2:1: share is a number such as 0.5, not "half" (How much.)`,
		"needed: x\nwait: 1\n":                                              `f:2:1: wait: "1" is no duration: write 60s, 5m, 6h or 90d (How long.)`,
		"needed: x\nwait: [1s]\n":                                           "f:2:1: wait is one text, not a list",
		"needed: x\nwait: 1000000d\n":                                       "f:2:1: wait: \"1000000d\" is longer than 292 years",
		"needed: x\nmap: [a]\n":                                             "f:2:1: map: want keys and values, not a list",
		"needed: x\nmap: {a: [b]}\n":                                        "f:2:10: a is one text, not a list",
		"needed: x\nmap: {a: }\n":                                           "a has no value",
		"needed: x\nvalues: {a: }\n":                                        "a has no value",
		"needed: x\nvalues: {a: [b, {c: d}]}\n":                             "f:2:13: a: want a text or a list of texts, not keys and values",
		"needed: x\nlets: [a]\n":                                            "f:2:1: lets: want names and KQL expressions, not a list",
		"needed: x\nany: {n: 010}\n":                                        "f:2:10: n: is 010 a text, a number, or true or false?",
		"needed: x\nany: {n: 1e3}\n":                                        "n: is 1e3 a text, a number",
		"needed: x\nany: {n: yes}\n":                                        "n: is yes a text, a number",
		"needed: x\nany: {n: .inf}\n":                                       "n: is .inf a text, a number",
		"needed: x\nany: {n: 99999999999999999999}\n":                       "n: is 99999999999999999999 a text, a number",
		"needed: x\ninner: {tow: a}\n":                                      `f:2:9: unknown key "tow" (did you mean two?)`,
		"needed: x\ninner: {two: c}\n":                                      `f:2:9: two is "c", want a, b`,
		"needed: x\ninner: {two: [a]}\n":                                    "f:2:9: two is one text, not a list (Two.)",
		"needed: x\ninner: 5\n":                                             `f:2:1: want keys and values, not "5": one, two`,
		"needed: x\ntext: a\n'needed': y\n":                                 `f:3:1: the key "needed" is there twice: first in line 1`,
		"needed: x\ninner: {one: a, one: b}\n":                              `the key "one" is there twice`,
		"needed: x\nany: {a: {b: 1, b: 2}}\n":                               `the key "b" is there twice`,
		"needed: x\ntext: *a\n":                                             "f:2:1: there is no &a before *a",
		"needed: x\ninner: {<<: *a}\n":                                      "there is no &a before *a",
		"needed: x\ninner: {<<: [1]}\n":                                     "want <<: *name, the keys and values of an anchor, not a list",
		"needed: x\nany: &a {b: *a}\n":                                      "nested too deep, or aliases of aliases",
		"needed: x\ntext: !!str 5\n":                                        "f:2:1: tags such as !!str have no meaning here",
		"needed: x\n\ttext: y\n":                                            "f:2:1: there is a tab: indent with blanks",
		"needed: x\nlist: [a\n":                                             "f:2:7: the list that begins with [ has no end: write ]",
		"needed: x\ntext: \"a\n":                                            "f:2:7: a quote is not closed",
		"needed: x\ntext: \"\\d\"\n":                                        `\ begins an escape in double quotes`,
		"needed: x\ntext: a: b\n":                                           "f:2:7: a second colon: a text with a colon and a blank in it needs quotes",
		"needed: x\ntext: 'a' b\n":                                          "f:2:11: this does not belong here",
		"needed: x\ntext\n":                                                 "want a key and a value",
		"needed: \"\xff\"\n":                                                "f:1:10: the byte ff is no text in UTF-8",
		"needed: \"é\x00\"\n":                                               "f:1:11: the control character U+0000",
		"\xff\xfen\x00":                                                     "f:1:1: the file is UTF-16",
		"needed: x\nany: " + strings.Repeat("[", 5000):                      "f:2:106: more than 100 brackets are open",
		"needed: x\nany: - a\n":                                             "f:2:6: a list with - begins in the line below its key",
		"needed: x\ntext: @a\n":                                             "f:2:7: a text that begins with @ or ` needs quotes",
		"needed: x\nany:\n  " + strings.Repeat("- ", 500):                   "nested too deep",
		"# " + strings.Repeat("x", 1<<20):                                   "at most 1048576 can be",
		"needed: x\nany:\n  a0: &a0 [x, x, x, x, x, x, x, x]\n" + laughs(9): "nested too deep, or aliases of aliases",
	} {
		_, err := spec.Decode("f", []byte(text), new(kinds))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q:\n got %v\nwant %s", text, err, want)
			continue
		}
		for _, word := range []string{"marshal", "struct", "interface", "Go ", "reflect"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%.80q: %v speaks of %s", text, err, word)
			}
		}
	}
}

// laughs are n lists, each of eight aliases of the one before.
func laughs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 8), ", "))
	}
	return b.String()
}

// TestEveryMessageHasAPlace: no mistake of the fixtures is said to be in the first
// line, which has a comment, nor in words of the language.
func TestEveryMessageHasAPlace(t *testing.T) {
	for _, path := range fixtures(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = spec.Parse(path, data); err != nil && strings.Contains(err.Error(), path+":1:") {
			t.Error(err)
		}
		for _, word := range []string{"unmarshal", "struct ", "interface", "[]string", "map["} {
			if err != nil && strings.Contains(err.Error(), word) {
				t.Errorf("%v speaks of %s", err, word)
			}
		}
	}
}
