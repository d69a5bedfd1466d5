package scan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/scan"
)

func TestRecords(t *testing.T) {
	for what, x := range map[string]struct {
		src   string
		lines bool
		want  string // records with | between them; ! before one that is damaged, and the error that ends them
	}{
		"a list":                      {`[1, {"a":2},[3]]`, false, `1|{"a":2}|[3]`},
		"an empty one":                {` [ ] `, false, ``},
		"nothing":                     {" \n", false, ``},
		"several lists":               {"[1]\n[]\n[2,3]", false, `1|2|3`},
		"a value":                     {`{"a":1}`, false, `{"a":1}`},
		"values":                      {"{\"a\":1}\n\x1e{\"a\":2},[3]", false, `{"a":1}|{"a":2}|[3]`},
		"something behind a list":     {`[1] {"error":2}`, false, `1|!something else follows`},
		"a list that is cut":          {`[1,2`, false, `1|2|!not closed`},
		"a record that is cut":        {`[1,{"a":`, false, `1|!unexpected end`},
		"a damaged record":            {"[1,\"\x01\",{\"a\":NaN},2]", false, "1|!\"\x01\"|!{\"a\":NaN}|2"},
		"a damaged line":              {"{\"a\":1}\n{\"a\n{\"a\":2}\n", true, `{"a":1}|!{"a|{"a":2}`},
		"a damaged line, the last":    {"1\n{\"a", true, `1|!{"a`},
		"values that are not damaged": {"1 2 3", true, `1|2|3`},
	} {
		var got []string
		for rec, err := range scan.Records([]byte(x.src), x.lines) {
			switch {
			case rec == nil:
				got = append(got, "!"+err.Error())
			case err != nil:
				got = append(got, "!"+string(rec))
			default:
				got = append(got, string(rec))
			}
		}
		want, end, ends := strings.Cut(x.want, "!")
		if text := strings.Join(got, "|"); text != x.want && !(ends && strings.HasPrefix(text, want+"!") && strings.Contains(text, end)) {
			t.Errorf("%s: %q, want %q", what, text, x.want)
		}
	}
	for range scan.Records([]byte("[1,2,3]"), false) { // whoever has enough may leave
		break
	}
}

// TestPlaces: what is declared is demanded.
func TestPlaces(t *testing.T) {
	for _, x := range []struct {
		path, src string
		single    bool
		want      string // lists with | between them, or ! and the error
	}{
		{"$.items", `{"items":[1,2],"x":3}`, false, "[1,2]"},
		{"$.items", `{"items":null}`, false, ""},
		{"$.items", `{"items":{}}`, false, "!$.items is an object without members; want a list"},
		{"$.items", `{"items":{"error":"x","code":5}}`, false, "!$.items is an object with the members error, code; want a list"},
		{"$.items", `{"items":"none"}`, false, "!$.items is a text; want a list"},
		{"$.items", `{"error":"x"}`, false, "!there is no $.items; $ is an object with the member error"},
		{"$.items", `[1]`, false, "!$ is a list; want an object with $.items"},
		{"$.items", `false`, false, "!$ is false; want an object with $.items"},
		{"$.items", `{"items":[1],"items":[2]}`, false, "!$.items is there twice; want it once"},
		{"$.a.items", `{"a":null}`, false, "!$.a is null; want an object with $.a.items"},
		{"$.a['odd name']", `{"a":{"odd name":[1]}}`, false, "[1]"},
		{"$.g[*].items", `{"g":[{"items":[1]},{"items":null},{"items":[]}]}`, false, "[1]|[]"},
		{"$.g[*].items", `{"g":[]}`, false, ""},
		{"$.g[*].items", `{"g":null}`, false, ""},
		{"$.g[*].items", `{"g":[{"items":[1]},{"elements":[2]}]}`, false, "!there is no $.g[*].items; $.g[*] is an object with the member elements"},
		{"$.g[*].items", `{"buckets":[]}`, false, "!there is no $.g; $ is an object with the member buckets"},
		{"$.g[*].items", `{"g":{"items":[1]}}`, false, "!$.g is an object with the member items; want a list"},
		{"$.g[*]", `{"g":[{"a":1},[2]]}`, false, `{"a":1}|[2]`},
		{"$.m.*", `{"m":{"a":{"n":1},"b":[2]}}`, false, `{"n":1}|[2]`},
		{"$.m.*", `{"m":"x"}`, false, "!$.m is a text; want a list"},
		{"$.g[0].items", `{"g":[{"items":[1]},{}]}`, false, "[1]"},
		{"$.g[-1].items", `{"g":[{},{"items":[1]}]}`, false, "[1]"},
		{"$.g[2].items", `{"g":[{},{}]}`, false, "!there is no $.g[2]; $.g is a list of 2"},
		{"$.g[1:].items", `{"g":[{}]}`, false, ""},
		{"$.g[?(@.k == 'x')].items", `{"g":[{"k":"y"},{"k":"x","items":[1]}]}`, false, "[1]"},
		{"$.g[?(@.k == 'x')].items", `{"g":[{"k":"x"}]}`, false, "!there is no $.g[?(@.k == 'x')].items"},
		{"$..items", `{"a":[{"items":[1]},{"b":{"items":[2]}}]}`, false, "[1]|[2]"},
		{"$..items", `{"a":[]}`, false, "!there is no $..items"},
		{"$..items", `{"a":{"items":{}}}`, false, "!is an object without members; want a list"},
		{"$.log.host[*].entry", `{"log":{"host":{"entry":{"a":1}}}}`, true, `{"a":1}`},
		{"$.log.host[*].entry", `{"log":{"host":[{"entry":"x"},{"entry":null},{"entry":[1]}]}}`, true, `"x"|[1]`},
		{"$.log.host[*].entry", `{"log":{"host":null}}`, true, ""},
		{"$.log.entry", `{"error":null}`, true, "!there is no $.log"},
		{"$.g[*].items", "{\"g\":[{\"n\":\"\x01\",\"items\":[1,\"\x02\"]},{\"items\":[2]}]}", false, "[1,\"\x02\"]|[2]"},
		{"$.g[*].items", `{"g":[{"items":[1]},{"items":[2}]}`, false, "!cannot be told"},
	} {
		p, err := scan.ParsePath(x.path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = scan.Place{Path: p, Single: x.single}.Lists([]byte(x.src), 0, func(start, end int) { got = append(got, x.src[start:end]) })
		text := strings.Join(got, "|")
		if want, fails := strings.CutPrefix(x.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s in %s: %s, %v, want an error with %q", x.path, x.src, text, err, want)
			}
			var shape *scan.ShapeError
			if !errors.As(err, &shape) && !strings.Contains(x.want, "told") {
				t.Errorf("%s in %s: %T", x.path, x.src, err)
			}
		} else if err != nil || text != x.want {
			t.Errorf("%s in %s: %s, %v, want %s", x.path, x.src, text, err, x.want)
		}
	}
}
