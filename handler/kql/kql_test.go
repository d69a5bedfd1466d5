package kql

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// evaluate runs a query over one record and returns the row, closed.
func evaluate(t *testing.T, query, record string, opt Options) string {
	t.Helper()
	p, err := Compile(query, opt)
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	m := p.Runner()
	m.Now = func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
	_, row, err := m.Map([]byte(record), nil)
	if err != nil {
		t.Fatalf("%s over %s: %v", query, record, err)
	}
	if !m.Kept() {
		return "filtered"
	}
	return string(row) + "}"
}

const record = `{"a":{"b":"x","n":12,"r":1.5,"arr":[1,"two",{"k":3}],"esc":"q\"\n\u00e9"},"t":"2020-02-21T17:34:18.522Z","ms":1711431195806,"s":"Hello World","f":false,"nul":null,"odd name":7,"big":9007199254740993}`

func TestExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		`tostring(a.b)`: `"x"`, `a.n`: `12`, `tostring(a.n)`: `"12"`, `toint(a.n)+1`: `13`, `a.arr[1]`: `"two"`, `a.arr[2].k`: `3`, `a.arr[-1].k`: `3`,
		`tostring(a.arr)`: `"[1,\"two\",{\"k\":3}]"`, `tostring(a.esc)`: `"q\"\n\u00e9"`, `strlen(a.esc)`: `4`, `strcat(a.esc,"!")`: `"q\"\né!"`,
		`todatetime(t)`: `"2020-02-21T17:34:18.522Z"`, `tostring(todatetime(t))`: `"2020-02-21T17:34:18.5220000Z"`,
		`unixtime_milliseconds_todatetime(tolong(ms))`: `"2024-03-26T05:33:15.806Z"`, `datetime_add('month',1,datetime(2024-01-31))`: `"2024-02-29T00:00:00Z"`,
		`datetime(2024-03-01)-datetime(2024-02-28)`: `"2.00:00:00"`, `datetime(2024-03-01)+1.5h`: `"2024-03-01T01:30:00Z"`,
		`tolower(s)`: `"hello world"`, `toupper("é")`: `"É"`, `s contains "WORLD"`: `true`, `s contains_cs "WORLD"`: `false`, `s has "wor"`: `false`, `s has "world"`: `true`,
		`s startswith "hello"`: `true`, `s !startswith "hello"`: `false`, `s =~ "HELLO world"`: `true`, `s in ("a","Hello World")`: `true`, `s in~ ("hello world")`: `true`, `s !in ("x")`: `true`,
		`iff(isempty(nul),"e","n")`: `"e"`, `iff(tobool(f),1,2)`: `2`, `case(s=="a",1,s=="Hello World",2,3)`: `2`, `isnull(missing)`: `true`, `isnotempty(s)`: `true`,
		`coalesce(tostring(nul),"d")`: `"d"`, `['odd name']+0`: `7`, `big`: `9007199254740993`, `tolong(big)`: `9007199254740993`,
		`1/0.0`: `"Infinity"`, `7/2`: `3`, `-7 % 3`: `2`, `7.0/2`: `3.5`, `2 + 3*4`: `14`, `(2+3)*4`: `20`, `1 < 2 and not(2 < 1) or false`: `true`,
		`split("a b"," ")`: `["a","b"]`, `strcat_delim("-","a",1,true)`: `"a-1-true"`, `substring("héllo",1,3)`: `"éll"`, `indexof("abc","c")`: `2`,
		`parse_json('{"x":{"y":[5]}}').x.y[0]`: `5`, `parse_json('{"INFO":"low"}')[strcat("IN","FO")]`: `"low"`, `todynamic("[1,2]")[1]`: `2`,
		`replace_string(s,"World","KQL")`: `"Hello KQL"`, `replace_regex(s,@"(\w+) (\w+)",@"\2 \1")`: `"World Hello"`, `extract("H(.)l",1,s)`: `"e"`, `trim(@"[Hd]",s)`: `"ello Worl"`,
		`pack_array(1,"a",f)`: `[1,"a",false]`, `bag_pack("k",s,"n",1)`: `{"k":"Hello World","n":1}`, `array_length(a.arr)`: `3`,
		`5 between (1 .. 5)`: `true`, `s matches regex "^H.*d$"`: `true`, `max_of(1,3,2)`: `3`, `now()`: `"2026-11-22T10:00:00Z"`, `ago(1d)`: `"2026-11-21T10:00:00Z"`,
		`hash_sha256("")`: `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`, `toguid("74be27de-1e4e-49d9-b579-fe0b331d3642")`: `"74be27de-1e4e-49d9-b579-fe0b331d3642"`,
		`tobool("true")`: `true`, `tobool(1)`: `true`, `bin(7,5)`: `5`, `startofday(todatetime(t))`: `"2020-02-21T00:00:00Z"`, `@'a\b'`: `"a\\b"`, `h'secret'`: `"secret"`, `'a' "b"`: `"ab"`,
		`tostring(1.0)`: `"1.0"`, `toreal("1.25")`: `1.25`, `0x1f`: `31`, `gettype(a)`: `"dictionary"`, `totimespan("01:30:00")`: `"01:30:00"`,
	} {
		got := evaluate(t, "source | project x = "+expr, record, Options{})
		if want := `{"x":` + want + `}`; got != want {
			t.Errorf("%s = %s, want %s", expr, got, want)
		}
	}
}

func TestNullsFollowKusto(t *testing.T) {
	for expr, want := range map[string]string{
		`int(null) == 1`: `{"x":false}`, `int(null) != 1`: `{"x":true}`, `int(null) == int(null)`: `{}`, `int(null) < 1`: `{}`, `int(null) + 1`: `{}`,
		`1/0`: `{}`, `toint("abc")`: `{}`, `toint(3000000000)`: `{}`, `tostring(nul)`: `{}`, `nul.x.y`: `{}`, `isnull("")`: `{"x":false}`, `iff(bool(null),1,2)`: `{"x":2}`,
		`todatetime("never")`: `{}`, `nul == "x"`: `{"x":false}`, `nul != "x"`: `{"x":true}`,
	} {
		if got := evaluate(t, "source | project x = "+expr, record, Options{}); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
}

func TestPipelines(t *testing.T) {
	for query, want := range map[string]string{
		`source | where s == "no" | project s`:                                                 `filtered`,
		`source | where s has "world" | project s`:                                             `{"s":"Hello World"}`,
		`source | extend a = a.b | extend c = strcat(a,"y") | project c, a`:                    `{"c":"xy","a":"x"}`,
		`let k = parse_json('{"x":"found"}'); source | project v = tostring(k[tostring(a.b)])`: `{"v":"found"}`,
		`let f = (v:string) { strcat("<", v, ">") }; source | project v = f(s)`:                `{"v":"<Hello World>"}`,
		"source // comment\r| project s\r|project-rename z = s":                                `{"z":"Hello World"}`,
		`source | project s, n = a.n | project-away s`:                                         `{"n":12}`,
		`source | project s, n = a.n | project-keep n*`:                                        `{"n":12}`,
		`print x = 1, strcat("a","b")`:                                                         `{"x":1,"print_1":"ab"}`,
	} {
		if got := evaluate(t, query, record, Options{}); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}

// writtenDown are the matches of testdata/functions.txt: of an expression and its value.
func writtenDown(t *testing.T) [][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^([^#\n].*)\n  =(?: (.*))?$`).FindAllStringSubmatch(string(data), -1)
}

// TestFunctionsGiveWhatIsWrittenDown evaluates the expressions of
// testdata/functions.txt, as constants and at run time.
func TestFunctionsGiveWhatIsWrittenDown(t *testing.T) {
	n := 0
	for _, m := range writtenDown(t) {
		want := "{}"
		if m[2] != "" {
			want = `{"x":` + m[2] + "}"
		}
		for _, opt := range []Options{{}, {noFold: true}} {
			if _, err := Compile("print x = "+m[1], opt); opt.noFold && err != nil {
				continue // an argument has to be a constant, and is one when folded only
			}
			if got := evaluate(t, "print x = "+m[1], "{}", opt); got != want {
				t.Errorf("%s\n gives %s\n  want %s", m[1], got, want)
			}
		}
		n++
	}
	if n < 200 {
		t.Errorf("%d expressions", n)
	}
}

// TestSurprisesOfTheReadme evaluates the lines of the table in the README.
func TestSurprisesOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (?:`([^`]+)`|(null)) \\| [^|]+ \\|$").FindAllStringSubmatch(string(readme), -1) {
		want := "{}"
		if m[2] != "" {
			want = `{"x":` + m[2] + "}"
		}
		if got := evaluate(t, "print x = "+m[1], "{}", Options{}); got != want {
			t.Errorf("%s gives %s, the README says %s", m[1], got, want)
		}
		n++
	}
	if n < 30 {
		t.Errorf("%d lines", n)
	}
}

func TestOpenRecordPassesThroughWhatNoColumnReplaced(t *testing.T) {
	got := evaluate(t, `source | extend b = a.x, new = 1 | project-away c`, `{"a":{"x":1},"b":2,"c":3,"d":"4"}`, Options{})
	for _, part := range []string{`"b":1`, `"new":1`, `"a":{"x":1}`, `"d":"4"`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	if strings.Contains(got, `"c"`) || strings.Contains(got, `"b":2`) {
		t.Errorf("%s has what was replaced or put away", got)
	}
}

func TestClosedSourceConvertsDeclaredColumns(t *testing.T) {
	src := []Column{{"date", Datetime}, {"n", Int}, {"s", String}, {"d", Dynamic}}
	rec := `{"date":"2020-01-02 03:04:05","n":"17","s":{"x":1},"d":{"x":1},"other":true}`
	got := evaluate(t, `source | extend T = date | project-away date`, rec, Options{Source: src})
	if want := `{"n":17,"s":"{\"x\":1}","d":{"x":1},"T":"2020-01-02T03:04:05Z"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := evaluate(t, `source | project x = column_ifexists("nope", 1)`, rec, Options{Source: src}); got != `{"x":1}` {
		t.Errorf("column_ifexists: %s", got)
	}
}

func TestErrorsShowThePlaceAndTheNearestName(t *testing.T) {
	for query, want := range map[string]string{
		"source\n| project x = tostrin(a)":         "2:15: there is no function tostrin (did you mean tostring?)\n    | project x = tostrin(a)\n                  ^",
		"source | summarize count()":               "summarize is not available in a transformation",
		"source | projekt x":                       "did you mean project?",
		"source | project x = 'abc":                "string is not closed",
		"source | project x = 1 +":                 "want an expression, got the end of the text",
		"source | project x = datetime(abc)":       `"abc" is not a datetime`,
		"print x = datetime(2024-02-30)":           `is not a datetime`,
		"source | project x = case(true, 1, 2, 3)": "case(if …, then …, else) does not take 4 arguments",
		"source | project x = 's'.y":               "string has no members",
		"source | project x = (1":                  "want ')'",
		"source | project x = s matches regex '('": "missing closing )",
		"source | project x = #":                   "unexpected character '#'",
	} {
		_, err := Compile(query, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got: %v\nwant: %s", query, err, want)
		}
	}
	_, err := Compile("source | project x = sevrity", Options{Source: []Column{{"severity", String}}})
	if err == nil || !strings.Contains(err.Error(), "there is no column sevrity (did you mean severity?)") {
		t.Errorf("unknown column: %v", err)
	}
}

func TestLongTextIsCutAtARuneAndNoted(t *testing.T) {
	p, err := Compile(`source | project s = tostring(s), u = toupper(s)`, Options{MaxText: 8})
	if err != nil {
		t.Fatal(err)
	}
	m := p.Runner()
	_, row, err := m.Map([]byte(`{"s":"1234567é9"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"s":"1234567","u":"1234567"`; string(row) != want {
		t.Errorf("row %s, want %s", row, want)
	}
	if !m.Truncated() || !strings.Contains(string(m.Additional()), `"_truncated":{"s":{"bytes":10,"sha256":"`) {
		t.Errorf("additional %s", m.Additional())
	}
}

func TestInvalidUTF8BecomesAReplacementCharacter(t *testing.T) {
	if got := evaluate(t, `source | project d, s = tostring(d.s)`, "{\"d\":{\"s\":\"a\xffb\"}}", Options{}); got != "{\"d\":{\"s\":\"a\ufffdb\"},\"s\":\"a\ufffdb\"}" {
		t.Errorf("%q", got)
	}
}

func TestMapSaysWhereADamagedRecordEnds(t *testing.T) {
	p, err := Compile(`source | project a`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]int{"{\"a\":\"\x01\"},{}]": 9, `{"a":NaN}`: 9, `{"a":1`: 0} {
		if n, _, err := p.Runner().Map([]byte(src), nil); err == nil || n != want {
			t.Errorf("%q: %d, %v, want %d", src, n, err, want)
		}
	}
}

func TestDatetimeForms(t *testing.T) {
	for in, want := range map[string]string{
		"2020-02-21": "2020-02-21T00:00:00Z", "2020-02-21T17:34": "2020-02-21T17:34:00Z", "2020-02-21 17:34:18": "2020-02-21T17:34:18Z",
		"2020-02-21T17:34:18.1234567Z": "2020-02-21T17:34:18.1234567Z", "2024-08-16 19:18:43.784550714": "2024-08-16T19:18:43.7845507Z",
		"2020-02-21T17:34:18+02:00": "2020-02-21T15:34:18Z", "2020-02-21T17:34:18.5-0530": "2020-02-21T23:04:18.5Z", "2021-01-20T12:40:01.903+0000": "2021-01-20T12:40:01.903Z",
		"Sat, 08 Nov 2014 15:05:02 GMT": "2014-11-08T15:05:02Z", "0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z": "9999-12-31T23:59:59.9999999Z",
		"Sat, 8 Nov 14 15:05:02 GMT": "2014-11-08T15:05:02Z", "Sat, 8 Nov 14 15:05:02": "2014-11-08T15:05:02Z", "Sat, 8 Nov 14 15:05": "2014-11-08T15:05:00Z", "Sat, 8 Nov 14 15:05 GMT": "2014-11-08T15:05:00Z",
		"8 Nov 14 15:05:02": "2014-11-08T15:05:02Z", "8 Nov 14 15:05:02 GMT": "2014-11-08T15:05:02Z", "8 Nov 14 15:05": "2014-11-08T15:05:00Z", "8 Nov 14 15:05 GMT": "2014-11-08T15:05:00Z",
		"Saturday, 08-Nov-14 15:05:02 GMT": "2014-11-08T15:05:02Z", "Saturday, 08-Nov-14 15:05:02": "2014-11-08T15:05:02Z", "Saturday, 08-Nov-14 15:05 GMT": "2014-11-08T15:05:00Z", "08-Nov-14 15:05:02": "2014-11-08T15:05:02Z",
		"2014-11-08 15:05:25 GMT": "2014-11-08T15:05:25Z", "2014-11-08 15:05 GMT": "2014-11-08T15:05:00Z", "2014-11-08T15:05:25 GMT": "2014-11-08T15:05:25Z",
		"Sat, 08 Nov 2014 15:05:02 EST": "2014-11-08T20:05:02Z", "Sat, 08 Nov 2014 15:05:02 XYZ": "", "Sat, 08 Nov 2014 15:05:02 +0200": "2014-11-08T13:05:02Z", "11/8/2014 3:05 PM": "2014-11-08T15:05:00Z", "Sat Nov  8 15:05:02 2014": "2014-11-08T15:05:02Z",
		"2020-13-01": "", "2020-02-30": "", "x": "", "": "", "2020-02-21T25:00:00Z": "", "2020-02-21T17:34:18+99:00": "",
	} {
		n, ok := parseDatetime([]byte(in))
		got := ""
		if ok {
			got = string(appendDatetime(nil, n, -1))
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzDatetime(f *testing.F) {
	f.Add("2020-02-21T17:34:18.522Z")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseDatetime([]byte(s))
		if !ok {
			return
		}
		out := appendDatetime(nil, n, -1)
		back, ok := parseDatetime(out)
		if !ok || back != n {
			t.Errorf("%q is %d, printed %s, read again %d", s, n, out, back)
		}
		if want, err := time.Parse(time.RFC3339Nano, s); err == nil && want.Year() > 0 && fromTime(want) != n {
			t.Errorf("%q is %d, package time says %d", s, n, fromTime(want))
		}
	})
}
