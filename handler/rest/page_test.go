package rest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/decode"
	"github.com/sluice-connectors/sluice/handler/engine"
)

// made is what a stream makes of one answer: its records and what is bad, or the
// reason and text of the error.
func made(t *testing.T, stream string, h http.HandlerFunc) string {
	t.Helper()
	a := newAPI(t, map[string]any{"GET /x": (func(http.ResponseWriter, *http.Request))(h)})
	src := a.open(t, declared(t, "", "request: {path: /x}\n"+stream+windowed))
	page, err := src.Fetch(t.Context(), window, "")
	if e := new(engine.Error); errors.As(err, &e) {
		return "!" + e.Reason + ": " + e.Err.Error()
	} else if err != nil {
		t.Fatal(err)
	}
	out := strings.TrimSpace(string(page.Records))
	if page.Lines {
		out = "lines " + out
	}
	for _, b := range page.Bad {
		out += "\nbad " + string(b.Body)
	}
	return out
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// matched compares; a want that begins with ! is a part of the error.
func matched(t *testing.T, what, got, want string) {
	t.Helper()
	reason, text, _ := strings.Cut(want, ": ")
	if got != want && !(strings.HasPrefix(want, "!") && strings.HasPrefix(got, reason+": ") && strings.Contains(got, text)) {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

// TestWhatIsDeclaredIsDemanded: something else in a list's place is no list.
func TestWhatIsDeclaredIsDemanded(t *testing.T) {
	const root, items = "records: $", "records: $.items"
	ndjson := "\nresponse: {format: ndjson}"
	for _, x := range []struct{ stream, body, want string }{
		{root, `[1,2]`, `[1,2]`},
		{root, `{"errorCode":"E1","errorSummary":"x"}`, "!wrong_shape: $ is an object with the members errorCode, errorSummary; want a list"},
		{root, `{}`, "!wrong_shape: an object without members"},
		{root, `false`, "!wrong_shape: $ is false"},
		{root, `"busy"`, "!wrong_shape: $ is a text"},
		{root, `null`, "!wrong_shape: $ is null"},
		{root + "\nempty: $", `null`, "null"},
		{root + "\nempty: $", ``, ""},
		{root, ``, "!empty_answer: empty body"},
		{root, `busy`, "!not_json: no JSON"},
		{root, "[1]\n[2]", "[1]\n[2]"}, // the engine reads on
		{root, "{\"a\":1}\n{\"a\":2}", "lines {\"a\":1}\n{\"a\":2}"},
		{root, "{\n\"a\":1}\n{\"a\":2}", "{\n\"a\":1}\n{\"a\":2}"},
		{root + ndjson, `{"a":1}`, `lines {"a":1}`},
		{root + ndjson, "# a comment\n{\"a\":1}\n", "lines # a comment\n{\"a\":1}"},
		{root + ndjson, "busy", "!not_json: no NDJSON"},
		{root + "\nsuccess: {at: $.ok, is: \"true\"}", `{"ok":true}`, "!wrong_shape: $ is an object"},
		{root + "\nsuccess: {at: $.ok, is: \"true\"}", `{"ok":true} {"ok":true}`, `[{"ok":true},{"ok":true}]`},
		{root + "\nsuccess: {at: $.ok, is: \"true\"}", `{"ok":true} {"ok":false}`, "!provider_error: $.ok"},
		{items, `{"items":[1]}`, `[1]`},
		{items, `{"items":null}`, ""},
		{items, `{"items":{}}`, "!wrong_shape: $.items is an object without members"},
		{items, `{"error":{"code":"` + secret + `"}}`, "!wrong_shape: there is no $.items; $ is an object with the member error"},
		{items, `{"items":[1],"items":[2]}`, "!wrong_shape: $.items is there twice"},
		{items, `{"next":1,"items":[1],"next":2}`, "[1]"},
		{items, "{\"items\":[1]}\n{\"items\":[]}{\"items\":[2,3]}", "[1,2,3]"},
		{items, "{\"items\":[1]}\n{\"error\":5}", "!wrong_shape: there is no $.items; $ is an object with the member error"},
		{items, "{\"items\":[1]} oh", "!wrong_shape: $ is no JSON"},
		{items, "{\"items\":[1]", "!malformed_page: invalid JSON"},
		{items, `null`, "!wrong_shape: $ is null"},
		{items + "\nempty: $.time", `null`, ""},
		{items + "\nempty: $.time", `{"time":1}`, ""},
		{items + "\nempty: $.time", `{"time":1,"items":"none"}`, "!wrong_shape: $.items is a text"},
		{items + ndjson, "{\"items\":[1]}\n{\"items\":[2,\n{\"items\":[3]}\n", "[1,3]\nbad {\"items\":[2,"},
		{"records: $.g[*].items", `{"g":[{"items":[1]}]} {"g":[{"items":[2]}]}`, "[1,2]"},
		{"records: $.g[*].items", `{"g":[{"items":[1]}]} {"g":[{"error":[2]}]}`, "!wrong_shape: there is no $.g[*].items"},
		{"records: $.rows\nresponse: {columns: $.names}", `{"rows":[[1]],"columns":["a"]}`, "!wrong_shape: there is no $.names"},
		{"records: $.log.entry\nresponse: {format: xml}", `<log><entry><a>1</a></entry></log>`, `{"a":"1"}`},
		{"records: $.log.entry\nresponse: {format: xml}", `<log><entry/><entry/></log>`, `[null,null]`},
		{"records: $.log.entry\nresponse: {format: xml}", `<error>x</error>`, "!wrong_shape: there is no $.log"},
		{"records: $\nresponse: {format: csv}", `{"error":"x"}`, "!wrong_shape: want rows"},
		{"records: $\nresponse: {format: csv}", "", "!empty_answer: empty body"},
		{"records: $\nresponse: {format: csv}", "id,a\n1,x\n2,\"y\"z\n", `[{"id":"1","a":"x"}]` + "\nbad 2,\"y\"z"},
	} {
		matched(t, x.stream+" of "+x.body, made(t, x.stream, body(x.body)), x.want)
	}
}

// TestARecordThatCannotBeReadStandsAlone wherever the records are taken apart.
func TestARecordThatCannotBeReadStandsAlone(t *testing.T) {
	const bad = "{\"n\":\"\x01\"}"
	for _, x := range []struct{ stream, body, want string }{
		{"records: $", `[{"n":1},` + bad + `,{"n":2}]`, `[{"n":1},` + bad + `,{"n":2}]`}, // the engine's work
		{"records: $.items", `{"note":"` + "\x02" + `","items":[{"n":1},` + bad + `,{"n":2}]}`, `[{"n":1},` + bad + `,{"n":2}]`},
		{"records: $.g[*].items", `{"g":[{"items":[` + bad + `,1]},{"items":[2]}]}`, `[` + bad + `,1,2]`},
		{"records: $\nexplode: {at: n}", `[{"n":[1,2]},` + bad + `]`, `[{"n":1},{"n":2}]` + "\nbad " + bad},
		{"records: $\nexplode: {at: n}\nresponse: {format: ndjson}", `{"n":[1,2]}` + "\n{\"n\":[\n" + `{"n":3}`, `[{"n":1},{"n":2},{"n":3}]` + "\nbad {\"n\":["},
		{"records: $.log.e\nresponse: {format: xml}", "<log><e>1</e><e><a></e><e>2</e></log>", `["1","2"]` + "\nbad <e><a></e>"},
		{"records: $.log.e\nresponse: {format: xml}", "<log><e><a></e></log>", "\nbad <e><a></e>"},
		{"records: $.log.e\nresponse: {format: xml}", "<log><n/><e><a></e></log>", "\nbad <e><a></e>"},
		{"records: $.log.list.e\nresponse: {format: xml}", "<log><list><e><a></e></list></log>", "\nbad <e><a></e>"},
		{"records: $.log.list[0].e\nresponse: {format: xml}", "<log><list><e>1</e><e><a></e></list></log>", "!malformed_page: ends no element"},
		{"records: $.r\nresponse: {columns: $.c}", `{"r":[[1],["` + "\x01" + `"]],"c":["a"]}`, `[{"a":1}]` + "\nbad [\"\x01\"]"},
		{"records: $.r\nresponse: {unwrap: json}", `{"r":["{\"a\":1}","` + "\x01" + `"]}`, `[{"a":1}]` + "\nbad \"\x01\""},
	} {
		matched(t, x.stream+" of "+x.body, made(t, x.stream, body(x.body)), x.want)
	}
	a := newAPI(t, map[string]any{"GET /list": `["a",` + bad + `,"c"]`, "GET /x/a": `[1]`, "GET /x/c": `[` + bad + `,3]`})
	c := declared(t, "", "request: {path: /list}\nrecords: $\nsteps: [{request: {path: \"/x/{item}\"}, records: $, join: d}]"+windowed)
	src := a.open(t, c)
	var got []string
	for token := ""; ; {
		page, err := src.Fetch(t.Context(), window, token)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, recordsOf(t, page)...)
		for _, b := range page.Bad {
			got = append(got, "bad "+string(b.Body))
		}
		if token = page.Next; token == "" {
			break
		}
	}
	expect(t, got, `{"item":"a","d":1}`, "bad "+bad, `{"item":"c","d":3}`, "bad "+bad)
}

// TestAStepMayHaveOneRecord where its connector does not say that it is a list.
func TestAStepMayHaveOneRecord(t *testing.T) {
	for records, want := range map[string]string{"$": `{"error":1}`, "$[*]": "wrong_shape"} {
		a := newAPI(t, map[string]any{"GET /list": `[1]`, "GET /x/1": `{"error":1}`})
		c := declared(t, "", "request: {path: /list}\nrecords: $\nsteps: [{request: {path: \"/x/{item}\"}, records: \""+records+"\"}]"+windowed)
		page, err := a.open(t, c).Fetch(t.Context(), window, "")
		if got := reason(err); err == nil && string(page.Records) != want || err != nil && got != want {
			t.Errorf("%s: %v, %v", records, page, err)
		}
	}
}

// TestBodies: how an answer is written, and packed, does not matter.
func TestBodies(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"items":[1]}`)
	_ = z.Close()
	written := func(header, value, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			_, _ = io.WriteString(w, text)
		}
	}
	for what, x := range map[string]struct {
		stream string
		h      http.HandlerFunc
		want   string
	}{
		"204":                   {"", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, ""},
		"a byte order mark":     {"", body("\ufeff{\"items\":[1]}"), "[1]"},
		"a charset":             {"", written("Content-Type", "application/json; charset=ISO-8859-1", "{\"items\":[\"M\xfcller\"]}"), `["Müller"]`},
		"an unknown charset":    {"", written("Content-Type", "application/json; charset=enigma", "{\"items\":[\"M\xfcller\"]}"), "!malformed_page: enigma"},
		"gzip, not announced":   {"", body(packed.String()), "[1]"},
		"gzip, announced twice": {"\nresponse: {compression: gzip}", written("Content-Encoding", "gzip", packed.String()), "[1]"},
		"half of it":            {"", body(packed.String()[:20]), "!malformed_page: no whole gzip"},
		"blanks":                {"", body(" \r\n"), "!empty_answer: empty body"},
		"a page for people":     {"", written("Content-Type", "text/html", "<p>Sign in"), "!not_json: text/html"},
		"one that is packed":    {"", body("\ufeff<!DOCTYPE html>"), "!not_json: no JSON"},
	} {
		matched(t, what, made(t, "records: $.items"+x.stream, x.h), x.want)
	}
}

// TestWhatRecordsBecomeIsBounded: each element of an exploded list, and each detail that
// is joined, repeats the record around it.
func TestWhatRecordsBecomeIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	text := `[{"long":"` + long + `","n":[` + strings.Repeat("1,", 100) + `1]}]`
	matched(t, "explode", made(t, "records: $\nexplode: {at: n}", body(text)), "!page_too_large: more than 64 MiB")
	page := &engine.Page{Records: []byte("[" + strings.Repeat("1,", 100) + "1]")}
	if err := join([]byte(`{"long":"`+long+`"}`), "detail", page, &decode.Growth{}); !errors.Is(err, decode.ErrTooLarge) {
		t.Error(err)
	}
}
