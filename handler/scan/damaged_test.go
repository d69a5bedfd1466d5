package scan

import (
	"strings"
	"testing"
)

// TestWhereADamagedValueEnds: what is before the bar is skipped.
func TestWhereADamagedValueEnds(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+5) + strings.Repeat("]", MaxDepth+5)
	for _, text := range []string{
		"{\"a\":\"x\x01y\"}|,{}]",
		"{\"a\":\"x\ny\"}|\n{}",
		`{"a":"\x41 \u00g"}|,{}]`,
		`{"path":"C:\dir\","b":1}|,{}]`,
		`{"a":NaN,"b":-Infinity,"c":01}|,{}]`,
		`{"a":"say "hi" to {"}|,{"b":1}]`,
		`{"a":"inch: 5" wide"}|,{"b":"x"}]`,
		`{"a":"not closed}, {"a":"y"}|,{}]`, // two in one: nothing of them is lost
		`{a:1,'b':undefined}|]`,
		`{"a":[1,{"b":}],}|,{}]`,
		`  [NaN]| 1`,
		`"x` + "\t" + `y"|,1`,
		`NaN|,1]`,
		`nul|`,
		deep + `|,1]`,
	} {
		before, after, _ := strings.Cut(text, "|")
		if end, ok := SkipDamaged([]byte(before+after), 0); !ok || end != len(before) {
			t.Errorf("%.60q: ends at %d, %v; want %d", text, end, ok, len(before))
		}
	}
}

func TestWhereADamagedValueEndsCannotBeTold(t *testing.T) {
	for _, text := range []string{``, ` `, `{"a":1`, `{"a":1]`, `"x`, `]`, `}`, `,1`, `:1`, `{"a":"x\"}`} {
		if end, ok := SkipDamaged([]byte(text), 0); ok {
			t.Errorf("%q ends at %d", text, end)
		}
	}
}

// FuzzSkipDamaged: it ends within the text, and a whole value where Skip says.
func FuzzSkipDamaged(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end, ok := SkipDamaged(b, 0)
		if ok && (end < 1 || end > len(b)) {
			t.Fatalf("%q ends at %d", b, end)
		}
		want, _, err := Skip(b, 0)
		if err != nil || Space(b, want) < len(b) {
			return
		}
		if !ok || end != want {
			t.Errorf("%q ends at %d, %v; it is whole to %d", b, end, ok, want)
		}
	})
}
