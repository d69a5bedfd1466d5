package scan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reader makes a Reader that collects what is left over; of the paths, those
// that begin with ? are looked at and not taken.
func reader(t interface{ Fatal(...any) }, paths ...string) *Reader {
	tr := NewTree()
	for _, text := range paths {
		text, only := strings.CutPrefix(text, "?")
		p, err := ParsePath("$" + text)
		if err != nil {
			t.Fatal(err)
		}
		steps, _ := p.Steps()
		if slot := tr.Add(steps); !only {
			tr.Take(slot)
		}
	}
	r := NewReader(tr)
	r.CollectRest = true
	return r
}

func TestRestIsWhatNoPathTook(t *testing.T) {
	for _, c := range []struct{ paths, src, want string }{
		{".a.b", `{"a":{"b":1,"c":2},"d":3}`, `{"a":{"c":2},"d":3}`},
		{".a.b", `{"a":{"b":1},"d":null}`, `{}`},
		{".a.b", `{"a":"text"}`, `{"a":"text"}`},
		{".a.b", `{"a":[{"b":1}]}`, `{"a":[{"b":1}]}`},
		{".a.b", `{"a":null}`, `{}`},
		{".a.b .a", `{"a":{"b":1,"c":2}}`, `{}`},
		{".a.b ?.a.c", `{"a":{"b":1,"c":2}}`, `{"a":{"c":2}}`},
		{"?.a", `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{".a.b.c .a.x", `{ "a" : { "b" : { "c" : 1 , "d" : [ 1, 2 ] } , "x" : 1, "y" : 2, "z" : 3 } }`, `{"a":{"b":{"d":[1,2]},"y":2,"z":3}}`},
		{".l[0].a", `{"l":[{"a":1,"b":2},{"a":3}]}`, `{"l":[{"b":2},{"a":3}]}`},
		{".l[0].a", `{"l":[{"a":1},{"a":3},4]}`, `{"l":[null,{"a":3},4]}`},
		{".l[1]", `{"l":[1,2]}`, `{"l":[1]}`},
		{".l[0] .l[1]", `{"l":[1,2,null]}`, `{}`},
		{".l[0]", `{"l":{"a":1}}`, `{"l":{"a":1}}`},
		{".l[0][1]", `{"l":[[1,2,3],5]}`, `{"l":[[1,null,3],5]}`},
		{".a", `[1,{"b":2}]`, `{}`},
		{"", `{"a":1}`, `{}`},
	} {
		r := reader(t, strings.Split(c.paths, " ")...)
		for range 2 { // the second time with the order of the members known
			if _, err := r.Read([]byte(c.src), 0); err != nil {
				t.Fatal(err)
			}
			got := r.AppendRest([]byte{'{'}, 0)
			var a, b any
			if err := json.Unmarshal(append(got, '}'), &a); err != nil {
				t.Fatalf("%s of %s: %s (%v)", c.paths, c.src, got, err)
			}
			if _ = json.Unmarshal([]byte(c.want), &b); !reflect.DeepEqual(a, b) {
				t.Errorf("%s of %s: %s}, want %s", c.paths, c.src, got, c.want)
			}
		}
	}
}

func TestRestEndsAtAWholeMember(t *testing.T) {
	r := reader(t, ".a.b", ".c")
	if _, err := r.Read([]byte(`{"x":1,"a":{"b":1,"y":"2"},"c":0,"z":3}`), 0); err != nil {
		t.Fatal(err)
	}
	for max, want := range map[int]string{0: `"x":1,"a":{"y":"2"},"z":3`, 100: `"x":1,"a":{"y":"2"},"z":3`, 24: `"x":1,"a":{"y":"2"}`, 12: `"x":1`, 2: ""} {
		if got := r.AppendRest(nil, max); string(got) != want {
			t.Errorf("%d bytes: %s", max, got)
		}
	}
}

func TestRepeatedNamesAreFoundAndMadeDistinct(t *testing.T) {
	for src, want := range map[string]string{
		`{"a":{"b":1},"a":{"b":2}}`:                       `{"a (1)":{"b":1},"a":{"b":2}}`,
		`{"new":1,"x":0,"new":2,"new":3}`:                 `{"new (1)":1,"x":0,"new (2)":2,"new":3}`,
		`{"a":{"b":1,"c":2,"b":3},"x":[{"y":1,"y":2}]}`:   `{"a":{"b (1)":1,"c":2,"b":3},"x":[{"y (1)":1,"y":2}]}`,
		`{"a (1)":0,"a":1,"\u0061":2}`:                    `{"a (1)":0,"a (2)":1,"\u0061":2}`,
		`{"a":{"b":1},"l":[{"b":1},{"b":2}],"m":{"b":1}}`: "",
	} {
		r := reader(t, ".a.b")
		for range 3 {
			if _, err := r.Read([]byte(src), 0); err != nil {
				t.Fatal(err)
			}
			if repeated := r.Flags&Repeated != 0; repeated != (want != "") {
				t.Errorf("%s: repeated %v", src, repeated)
			}
		}
		if want == "" {
			want = src
		}
		if got := AppendDistinct(nil, []byte(src)); string(got) != want {
			t.Errorf("%s became %s, want %s", src, got, want)
		}
	}
}

// value draws a JSON value with members a to d.
func value(t *rapid.T, depth int) any {
	switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case k < 4 && depth > 0:
		m := map[string]any{}
		for _, name := range []string{"a", "b", "c", "d"} {
			if rapid.Bool().Draw(t, name) {
				m[name] = value(t, depth-1)
			}
		}
		return m
	case k < 6 && depth > 0:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, value(t, depth-1))
		}
		return list
	case k == 6:
		return nil
	}
	return fmt.Sprint(rapid.IntRange(0, 99).Draw(t, "leaf"))
}

// leftOver is what AppendRest should give, worked out from trees.
func leftOver(x any, paths [][]Step) any {
	below := func(st Step) (inner [][]Step) {
		for _, p := range paths {
			if p[0] == st {
				inner = append(inner, p[1:])
			}
		}
		return inner
	}
	looked := false
	for _, p := range paths {
		if len(p) == 0 {
			return nil
		}
		_, isObject := x.(map[string]any)
		_, isArray := x.([]any)
		looked = looked || (isArray && p[0].IsIndex || isObject && !p[0].IsIndex)
	}
	if !looked {
		return x
	}
	switch x := x.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, v := range x {
			if v = leftOver(v, below(Step{Key: name})); v != nil {
				m[name] = v
			}
		}
		if len(m) > 0 {
			return m
		}
	case []any:
		var list []any
		for i, v := range x {
			list = append(list, leftOver(v, below(Step{Index: i, IsIndex: true})))
		}
		for len(list) > 0 && list[len(list)-1] == nil {
			list = list[:len(list)-1]
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// withoutNulls leaves out the top-level members that say nothing.
func withoutNulls(x any) any {
	m, _ := x.(map[string]any)
	for name, v := range m {
		if v == nil {
			delete(m, name)
		}
	}
	return m
}

// TestNothingOfARecordIsLost holds that every value of a record is taken by a
// path, or is left over at its place.
func TestNothingOfARecordIsLost(t *testing.T) {
	steps := []Step{{Key: "a"}, {Key: "b"}, {Key: "c"}, {Index: 0, IsIndex: true}, {Index: 1, IsIndex: true}}
	rapid.Check(t, func(t *rapid.T) {
		tr := NewTree()
		var paths [][]Step
		for range rapid.IntRange(0, 6).Draw(t, "paths") {
			p := append([]Step{steps[rapid.IntRange(0, 2).Draw(t, "root")]}, rapid.SliceOfN(rapid.SampledFrom(steps), 0, 3).Draw(t, "path")...)
			tr.Take(tr.Add(p))
			paths = append(paths, p)
		}
		r := NewReader(tr)
		r.CollectRest = true
		for range 3 {
			record := map[string]any{"a": value(t, 4), "b": value(t, 4), "e": value(t, 2)}
			src, _ := json.Marshal(record)
			if _, err := r.Read(src, 0); err != nil {
				t.Fatal(err)
			}
			rest := r.AppendRest([]byte{'{'}, 0)
			var got any
			if err := json.Unmarshal(append(rest, '}'), &got); err != nil {
				t.Fatalf("%s: %s: %v", src, rest, err)
			}
			want := map[string]any{}
			for name, v := range record {
				if v = leftOver(v, pathsBelow(paths, name)); v != nil {
					want[name] = v
				}
			}
			if !reflect.DeepEqual(withoutNulls(got), withoutNulls(want)) {
				t.Fatalf("%v of %s left %s, want %v", paths, src, rest, want)
			}
		}
	})
}

func pathsBelow(paths [][]Step, name string) (below [][]Step) {
	for _, p := range paths {
		if p[0].Key == name {
			below = append(below, p[1:])
		}
	}
	return below
}
