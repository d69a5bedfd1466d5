package decode

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// decoded is the JSON that becomes of a body, and below it what is bad.
func decoded(o Options, body []byte) ([]byte, error) {
	text, err := Text(o, body)
	if err != nil {
		return nil, err
	}
	b, err := Records(o, text)
	if err != nil {
		return nil, err
	}
	out := b.JSON
	for _, bad := range b.Bad {
		out = fmt.Appendf(out, "\n%s: %q", bad.Detail, bad.Body)
	}
	return out, nil
}

func TestLines(t *testing.T) {
	got, err := decoded(Options{Format: "lines"}, []byte("one\r\n\n\"two\"\x01\n\xff"))
	matches(t, "lines", string(got), err, `[{"line":"one"},{"line":"\"two\"\u0001"},{"line":"`+"\xff"+`"}]`)
}

func TestTextEncodings(t *testing.T) {
	utf16 := func(order, text string) string {
		var b strings.Builder
		for _, c := range text {
			switch hi, lo := byte(c>>8), byte(c); order {
			case "be":
				b.Write([]byte{hi, lo})
			default:
				b.Write([]byte{lo, hi})
			}
		}
		return b.String()
	}
	for what, x := range map[string]struct {
		o          Options
		body, want string
	}{
		"UTF-8":                              {Options{}, `["ü"]`, `["ü"]`},
		"UTF-8 with its mark":                {Options{}, "\ufeff[1]", "[1]"},
		"UTF-16, little end first":           {Options{}, "\xff\xfe" + utf16("le", `["ü€"]`), `["ü€"]`},
		"UTF-16, big end first":              {Options{ContentType: "application/json; charset=utf-16"}, "\xfe\xff" + utf16("be", `["ü"]`), `["ü"]`},
		"UTF-16 without a mark":              {Options{}, utf16("le", `["ü"]`), `["ü"]`},
		"UTF-16 without a mark, big":         {Options{ContentType: "text/csv; charset=UTF-16"}, utf16("be", `["ü"]`), `["ü"]`},
		"UTF-16 that begins with a letter":   {Options{ContentType: "text/csv; charset=utf-16le"}, utf16("le", "ü日"), "ü日"},
		"UTF-32 with its mark":               {Options{}, "\xff\xfe\x00\x00[\x00\x00\x00\xe5\x65\x00\x00", "[日"},
		"UTF-32 without":                     {Options{}, "\x00\x00\x00[\x00\x01\xf6\x00", "[😀"},
		"a pair of UTF-16":                   {Options{}, "\xff\xfe\x3d\xd8\x00\xde", "😀"},
		"half a pair stays none":             {Options{}, "\xff\xfe[\x00\x3d\xd8]\x00", "[\xed\xa0\xbd]"},
		"half a character stays none":        {Options{}, "\xff\xfe[\x00\x3d", "[\x3d"},
		"ISO-8859-1":                         {Options{ContentType: "application/json; charset=ISO-8859-1"}, "[\"M\xfcller\"]", `["Müller"]`},
		"Windows":                            {Options{ContentType: `text/plain; charset="windows-1252"`}, "\x80", "€"},
		"Japanese":                           {Options{ContentType: "text/csv; charset=Shift_JIS"}, "\x93\xfa\x96\x7b", "日本"},
		"what that is not":                   {Options{ContentType: "text/csv; charset=Shift_JIS"}, "\x93\xfa\xfd", "日\xff"},
		"Japanese that is seven bits":        {Options{ContentType: "text/csv; charset=iso-2022-jp"}, "\x1b$BF|\x1b(B", "日"},
		"UTF-8 that was announced as latin":  {Options{ContentType: "application/json; charset=ISO-8859-1"}, `["Müller"]`, `["Müller"]`},
		"a charset that nobody knows":        {Options{ContentType: "text/csv; charset=x-enigma"}, "\xff", `!the charset "x-enigma"`},
		"a charset that does not matter":     {Options{ContentType: "text/csv; charset=x-enigma"}, "abc", "abc"},
		"no text, nothing declared":          {Options{}, "[\"caf\xe9\"]", "[\"caf\xe9\"]"},
		"XML that declares it":               {Options{Format: "xml"}, "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>", `{"a":"ü"}`},
		"XML in UTF-16":                      {Options{Format: "xml"}, "\xff\xfe" + utf16("le", `<?xml version="1.0" encoding="UTF-16"?><a>ü</a>`), `{"a":"ü"}`},
		"XML whose header knows better":      {Options{Format: "xml", ContentType: "text/xml; charset=windows-1252"}, "<?xml version='1.0' encoding='UTF-8'?><a>\x80</a>", `{"a":"€"}`},
		"JSON is not asked what it declares": {Options{}, "<?xml version='1.0' encoding='ISO-8859-1'?>\xfc", "<?xml version='1.0' encoding='ISO-8859-1'?>\xfc"},
	} {
		got, err := decoded(x.o, []byte(x.body))
		matches(t, what, string(got), err, x.want)
	}
}

func TestCSV(t *testing.T) {
	known := func(column string) bool { return column == "id" }
	for what, x := range map[string]struct {
		o          Options
		body, want string
	}{
		"as it should be":                 {Options{}, "\ufeffid,\"a b\"\r\n1,\"x \"\"y\"\"\nz\"\n2\n3,4,5\n", `[{"id":"1","a b":"x \"y\"\nz"},{"id":"2"},{"id":"3","a b":"4","Column3":"5"}]`},
		"no header, other delimiter":      {Options{Delimiter: ";", NoHeader: true}, "a;b\n;c\n", `[{"Column1":"a","Column2":"b"},{"Column1":"","Column2":"c"}]`},
		"tabs":                            {Options{Delimiter: "\t"}, "a\tb\n1\t\t\n", `[{"a":"1","b":"","Column3":""}]`},
		"a header alone":                  {Options{}, "id,name\n", `[]`},
		"a header with one that is known": {Options{Known: known}, "ID,id\n1,2\n", `[{"ID":"1","id":"2"}]`},
		"an error in words":               {Options{Known: known}, "Internal error, try later", `!the first line is none of the columns`},
		"an error in two lines":           {Options{Known: known}, "ERROR\nquery failed\n", `!the first line is none of the columns`},
		"nothing":                         {Options{}, "", `[]`},
		"the last line without end":       {Options{}, "id,a\n1,2", `[{"id":"1","a":"2"}]`},
		"empty lines":                     {Options{}, "\n\r\nid\n\n1\n\n", `[{"id":"1"}]`},
		"lines that end with CR":          {Options{}, "id,a\r1,x\r2,\"y\nz\"\r", `[{"id":"1","a":"x"},{"id":"2","a":"y\nz"}]`},
		"a name twice, and a third":       {Options{}, "a,a,a_2,,a\n1,2,3,4,5\n", `[{"a":"1","a_2":"2","a_2_2":"3","Column4":"4","a_3":"5"}]`},
		"a name that a column needs":      {Options{}, "Column2\n1,2\n", `[{"Column2":"1","Column2_2":"2"}]`},
		"blanks behind commas":            {Options{}, "id, time, \"text\"\n1, t, \"a, b\"\n", `[{"id":"1","time":"t","text":"a, b"}]`},
		"blanks that are the value":       {Options{}, "id,time\n1, t\n", `[{"id":"1","time":" t"}]`},
		"a quote in a value":              {Options{}, "id,a\n1,5\" disk\n2,b\n", `[{"id":"1","a":"5\" disk"},{"id":"2","a":"b"}]`},
		"one that hides a comma":          {Options{}, "id,a\n1,5\" disk,b\n2,b\n", `[{"id":"2","a":"b"}]` + "\n" + `line 2: a quote stands in a value without quotes around it: "1,5\" disk,b"`},
		"a quote in the middle":           {Options{}, "id,a\n1,\"5\" disk\"\n2,b\n", `[{"id":"2","a":"b"}]` + "\n" + `line 2: a quote stands in the middle of a value: "1,\"5\" disk\""`},
		"an open quote":                   {Options{}, "id,a\n1,\"x\r\n2,b\r\n3,c\r\n", `[{"id":"2","a":"b"},{"id":"3","a":"c"}]` + "\n" + `line 2: a quote is not closed: "1,\"x"`},
		"one that a later one closes":     {Options{}, "id,a\n1,\"x\n2,\"b\"\n3,c\n", `[{"id":"2","a":"b"},{"id":"3","a":"c"}]` + "\n" + `line 2: a quote stands in the middle of a value: "1,\"x"`},
		"one that moves the columns":      {Options{}, "id,a,b\n1,\"x,y\n2,\",b\",c\n3,d,e\n", `[{"id":"2","a":",b","b":"c"},{"id":"3","a":"d","b":"e"}]` + "\n" + `line 2: a quote is not closed in its line: "1,\"x,y"`},
		"a text that is none":             {Options{}, "id\ncaf\xe9\n", "[{\"id\":\"caf\xe9\"}]"},
		"a header with a quote":           {Options{}, "id,a\"\n1,2\n", `[{"id":"1","a\"":"2"}]`},
		"a header that is not closed":     {Options{}, "id,\"a\n1,2\n", `!header cannot be read: line 1`},
		"an error instead":                {Options{}, ` {"error":"no such report"}`, `!$ is an object with the member error; want rows`},
		"half an error":                   {Options{}, `{"error": [1, 2`, `!begins as JSON`},
		"braces in a first value":         {Options{NoHeader: true}, "{1-2},x\n", `[{"Column1":"{1-2}","Column2":"x"}]`},
		"a page instead":                  {Options{}, "<Error><Code>x</Code></Error>", `!no rows`},
		"no row of many":                  {Options{}, "id,a\n" + strings.Repeat("1,\"x\"y\n", 1100), `!most of its rows`},
	} {
		x.o.Format = "csv"
		got, err := decoded(x.o, []byte(x.body))
		matches(t, what, string(got), err, x.want)
	}
}

// TestWhatIsRepeatedInEachRowIsBounded: a long header is repeated by each of many rows.
func TestWhatIsRepeatedInEachRowIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	body := strings.Repeat("h", 1<<20) + "\n" + strings.Repeat("1\n", 1<<10)
	if _, err := decoded(Options{Format: "csv"}, []byte(body)); err != ErrTooLarge {
		t.Error(err)
	}
	if _, err := decoded(Options{Format: "lines"}, []byte(strings.Repeat("1\n", 6<<20))); err != ErrTooLarge {
		t.Error(err)
	}
	if _, err := decoded(Options{Format: "xml"}, []byte("<a>"+strings.Repeat("<b/>", 2<<20+1<<10)+"</a>")); err != ErrTooLarge {
		t.Error(err)
	}
}

func TestXML(t *testing.T) {
	for what, x := range map[string]struct{ body, want string }{
		"as it should be": {`<?xml version="1.0"?><!DOCTYPE X SYSTEM "x.dtd"><r:R xmlns:r="u" n="1" e=""><a>1</a><b/><a x="2">t<![CDATA[<&]]></a><c> <d>&lt;é</d> </c></r:R>`,
			`{"r:R":{"@xmlns:r":"u","@n":"1","@e":"","a":["1",{"@x":"2","#text":"t<&"}],"b":null,"c":{"d":"<é"}}}`},
		"text and elements":      {`<a>x <b>1</b> y<!-- z --> <c> </c></a>`, `{"a":{"#text":"x  y","b":"1","c":" "}}`},
		"cut":                    {`<a><b></b>`, "!not complete"},
		"two documents":          {`<a/><b/>`, "!not complete"},
		"not nested":             {`<a><b></a></b>`, "!ends no element"},
		"nested without end":     {strings.Repeat("<a>", 2000), "!nested more than"},
		"an entity of its own":   {`<!DOCTYPE a [<!ENTITY x "xxxxxxxx">]><a>&x;</a>`, `{"a":"&x;"}`},
		"a control character":    {"<a><b>x\x08</b><c><![CDATA[\x1b[0m & <]]></c></a>", "{\"a\":{\"b\":\"x\xff\",\"c\":\"\xff[0m & <\"}}"},
		"a reference to one":     {"<a>&#8;&#x41;&#xd800;</a>", "{\"a\":\"\xffA\xff\"}"},
		"no UTF-8":               {"<a b='\xe9'>\xff</a>", "{\"a\":{\"@b\":\"\xff\",\"#text\":\"\xff\"}}"},
		"an & that is one":       {`<a b="?x=1&y=2">AT&T &amp; &copy; &#; & </a>`, `{"a":{"@b":"?x=1&y=2","#text":"AT&T & &copy; &#; & "}}`},
		"a < that is one":        {`<a>1 < 2 <= 3 ]]> </a>`, `{"a":"1 < 2 <= 3 ]]> "}`},
		"a character was lost":   {"<a>\ufffd</a>", "{\"a\":\"\ufffd\"}"},
		"a comment that is none": {"<a>\x01<!-- -- --></a>", "{\"a\":\"\xff\"}"},
	} {
		got, err := decoded(Options{Format: "xml"}, []byte(x.body))
		matches(t, what, string(got), err, x.want)
	}
}

// TestARecordOfXMLThatIsNone is bad, with its line and all its bytes, and its mates
// arrive; where its end cannot be told, the whole document is no XML.
func TestARecordOfXMLThatIsNone(t *testing.T) {
	const head, foot = "<R>\n<n>2</n><L>\n<H><a>1</a></H>\n", "\n<H><a>3</a></H>\n</L></R>"
	const mates = `{"R":{"n":"2","L":{"H":[{"a":"1"},{"a":"3"}]}}}`
	for what, x := range map[string]struct{ body, want string }{
		"an element is not closed":   {head + "<H><a>2<b/></H>" + foot, mates + "\nline 4: </H> ends no element: \"<H><a>2<b/></H>\""},
		"wrongly nested":             {head + "<H><a><b>2</a></b></H>" + foot, mates + "\nline 4: </a> ends no element: \"<H><a><b>2</a></b></H>\""},
		"one end too many":           {head + "<H><a>2</b></a></H>" + foot, mates + "\nline 4: </b> ends no element: \"<H><a>2</b></a></H>\""},
		"a tag is none":              {head + "<H><a x=>2</a></H>" + foot, mates + "\nline 4: unquoted or missing attribute value in element: \"<H><a x=>2</a></H>\""},
		"it is not closed":           {head + "<H><a>2</a>" + foot, mates + "\nline 4: </L> ends no element: \"<H><a>2</a>\""},
		"and an & in another":        {head + "<H><a>2&2</H>" + foot, mates + "\nline 4: </H> ends no element: \"<H><a>2&amp;2</H>\""},
		"the only one":               {"<R><L><H><a></H></L></R>", "{\"R\":{\"L\":null}}\nline 1: </H> ends no element: \"<H><a></H>\""},
		"the last one":               {"<R><L><H>1</H><H><a></L></R>", "{\"R\":{\"L\":{\"H\":\"1\"}}}\nline 1: </L> ends no element: \"<H><a>\""},
		"two":                        {"<R><L><H><a></H><H>1</H><H><b></H></L></R>", "{\"R\":{\"L\":{\"H\":\"1\"}}}\nline 1: </H> ends no element: \"<H><a></H>\"\nline 1: </H> ends no element: \"<H><b></H>\""},
		"names that begin alike":     {"<R><L><H><Hx>1</H><H>2</H></L></R>", "{\"R\":{\"L\":{\"H\":\"2\"}}}\nline 1: </H> ends no element: \"<H><Hx>1</H>\""},
		"one within another is well": {"<R><L><H><H>1</H></H></L></R>", `{"R":{"L":{"H":{"H":"1"}}}}`},
		"cut":                        {head + "<H><a>2", "!not complete"},
		"cut in a tag":               {head + "<H><a>2</a", "!unexpected EOF"},
		"outside of the list":        {"<R><n></R>", "!ends no element"},
		"between records":            {"<R><L><H>1</H></x><H>2</H></L></R>", "!ends no element"},
		"elsewhere":                  {"<R><M><H><a></H></M></R>", "!ends no element"},
	} {
		got, err := decoded(Options{Format: "xml", Records: []string{"R", "L", "H"}}, []byte(x.body))
		matches(t, what, string(got), err, x.want)
	}
}

// FuzzRecords: what becomes of a csv or xml is JSON, or there is an error.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"id,a\n1,2\n", "\"a\"\"b\",c\n", "a;b\n1", `<a><b x="1">t</b><b/></a>`, `<a/>`, `<a><b><c></b><b/><b></a>`, "<a>\x00</a>", "<a b='\"'>\xff</a>", ""} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, isXML bool) {
		d := Options{Format: "csv"}
		if isXML {
			d.Format, d.Records = "xml", []string{"a", "b"}
		}
		text, err := Text(d, body)
		if err != nil {
			return
		}
		if b, err := Records(d, text); err == nil && !scan.Valid(b.JSON) {
			t.Errorf("%q becomes %q", body, b.JSON)
		}
	})
}

// FuzzCSV: what the standard library reads strictly is read alike; and no byte of a row
// is lost, it is in a value or bad.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"id,a\n1,2\n", "\"a\"\"b\",c\n", "a\n\"x\ny\",\"\"\n", "a,b\n1,\"x\n2,3\n", "a\r\n\r\n b\"\r\n", "a\rb\r"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRows(Options{}, body)
		var got [][]string
		bad := false
		for r.next() {
			var row []string
			for _, v := range r.fields {
				row = append(row, string(v))
			}
			got, bad = append(got, row), bad || r.why != "" || r.bare
		}
		std := csv.NewReader(bytes.NewReader(body))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		if err != nil || bad || r.end == '\r' || bytes.ContainsRune(body, '\r') {
			return
		}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%q becomes %q, want %q", body, got, want)
		}
	})
}
