package scan

import (
	"strings"
	"testing"
)

func selected(t *testing.T, path, src string) string {
	t.Helper()
	p, err := ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	p.Select([]byte(src), func(start, end int) { out = append(out, src[start:end]) })
	return strings.Join(out, " | ")
}

func TestPathsSelect(t *testing.T) {
	const doc = ` {"a":{"b":[1,2,3], "x y":"odd", "@odata.nextLink":"L"}, "items":[{"id":1,"k":"x","sub":[{"id":9}]},{"id":2,"k":"y","n":null},{"id":3,"k":"x"}], "m":{"p":1,"q":[2]}} `
	for _, c := range [][2]string{
		{"$.a.b", "[1,2,3]"}, {"$.a.b[0]", "1"}, {"$.a.b[-1]", "3"}, {"$.a.b[1:]", "2 | 3"}, {"$.a.b[:2]", "1 | 2"}, {"$.a.b[-2:-1]", "2"},
		{"$.a['x y']", `"odd"`}, {`$.a["@odata.nextLink"]`, `"L"`}, {"$.['a'].b[2]", "3"}, {"$.a.b[7]", ""}, {"$.nothing.b", ""},
		{"$.items[*].id", "1 | 2 | 3"}, {"$.m.*", "1 | [2]"}, {"$..id", "1 | 9 | 2 | 3"}, {"$.items[?(@.k == 'x')].id", "1 | 3"},
		{"$.items[?(@.k != 'x')].id", "2"}, {"$.items[?(@.id >= 2)].id", "2 | 3"}, {"$.items[?(@.id<3&&@.k=='x')].id", "1"}, {"$.items[?(@.sub)].id", "1"},
		{"$.items[?@.n == null].id", "2"}, {"$.items[?(@.sub != 'z')].id", "1 | 2 | 3"}, {"$.items[?(@.k > 'x')].id", "2"},
	} {
		if got := selected(t, c[0], doc); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	if got := selected(t, "$", "  [1] "); got != "[1]" {
		t.Errorf("$: %q", got)
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "a", "$.", "$a", "$.a[", "$.a[x]", "$.a[]", "$['a", "$.a[?(@.b ==)]", "$.a[?(b)]", "$.a[?(@.b[*])]", "$.a[?(@.b == 1]", "$.a[1:y]", "$.a b"} {
		if p, err := ParsePath(text); err == nil {
			t.Errorf("%q is a path: %+v", text, p)
		}
	}
}

func TestOnlyPlainPathsAreForATree(t *testing.T) {
	for text, want := range map[string]bool{"$": true, "$.a[2].b": true, "$.a[-1]": false, "$.a[*]": false, "$..a": false, "$.a[0:1]": false} {
		p, err := ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.Steps(); ok != want {
			t.Errorf("%s: %v", text, ok)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("$.items[?(@.k == 'x')].id", `{"items":[{"k":"x","id":1}]}`)
	f.Add("$..a[-1:]", `[[{"a":[1,2]}]]`)
	f.Fuzz(func(t *testing.T, path, src string) {
		p, err := ParsePath(path)
		if err != nil || !Valid([]byte(src)) {
			return
		}
		p.Select([]byte(src), func(start, end int) {
			if !Valid([]byte(src[start:end])) {
				t.Fatalf("%s of %s: %q", path, src, src[start:end])
			}
		})
	})
}
