package rest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func packed(t testing.TB, how string, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	write := func(w io.Writer, text string) {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	switch how {
	case "gzip":
		for _, f := range files { // several members
			w := gzip.NewWriter(&buf)
			write(w, f)
			w.Close()
		}
	case "zlib":
		w := zlib.NewWriter(&buf)
		write(w, files[0])
		w.Close()
	case "deflate":
		w, err := flate.NewWriter(&buf, 6)
		if err != nil {
			t.Fatal(err)
		}
		write(w, files[0])
		w.Close()
	case "zip":
		z := zip.NewWriter(&buf)
		for i, f := range files {
			w, err := z.Create([]string{"../../etc/passwd", "C:\\evil", "b/"}[i])
			if err != nil {
				t.Fatal(err)
			}
			if f != "" {
				write(w, f)
			}
		}
		z.Close()
	}
	return buf.Bytes()
}

func TestFormats(t *testing.T) {
	for what, x := range map[string]struct {
		d    spec.Response
		body []byte
		want string // the JSON, or "!" and a part of the error
	}{
		"as it is":             {spec.Response{}, []byte("{\"a\":1}\n{\"a\":2}"), "{\"a\":1}\n{\"a\":2}"},
		"gzip of two members":  {spec.Response{Compression: "gzip"}, packed(t, "gzip", "[1,", "2]"), "[1,2]"},
		"deflate, with header": {spec.Response{Compression: "deflate"}, packed(t, "zlib", "[1]"), "[1]"},
		"deflate, without":     {spec.Response{Compression: "deflate"}, packed(t, "deflate", "[1]"), "[1]"},
		"zip":                  {spec.Response{Compression: "zip"}, packed(t, "zip", `[{"a":1}]`), `[{"a":1}]`},
		"zip of two":           {spec.Response{Compression: "zip"}, packed(t, "zip", "[1]", "[2]"), "!holds 2 files"},
		"no gzip":              {spec.Response{Compression: "gzip"}, []byte("[1]"), "!it is no gzip"},
		"half a gzip":          {spec.Response{Compression: "gzip"}, packed(t, "gzip", strings.Repeat("[1]", 100))[:30], "!it is no gzip"},
		"csv":                  {spec.Response{Format: "csv"}, []byte("\ufeffid,\"a b\"\r\n1,\"x \"\"y\"\"\nz\"\n2\n3,4,5\n"), `[{"id":"1","a b":"x \"y\"\nz"},{"id":"2"},{"id":"3","a b":"4","Column3":"5"}]`},
		"csv in a gzip":        {spec.Response{Format: "csv", Compression: "gzip", Delimiter: ";", NoHeader: true}, packed(t, "gzip", "a;b\n;c\n"), `[{"Column1":"a","Column2":"b"},{"Column1":"","Column2":"c"}]`},
		"csv without rows":     {spec.Response{Format: "csv"}, []byte("id,name\n"), `[]`},
		"csv with a bad quote": {spec.Response{Format: "csv"}, []byte("id\n\"x\n"), "!"},
		"xml": {spec.Response{Format: "xml"}, []byte(`<?xml version="1.0"?><!DOCTYPE X SYSTEM "x.dtd"><r:R xmlns:r="u" n="1"><a>1</a><b/><a x="2">t<![CDATA[<&]]></a><c> <d>&lt;é</d> </c></r:R>`),
			`{"r:R":{"@xmlns:r":"u","@n":"1","a":["1",{"@x":"2","#text":"t<&"}],"b":null,"c":{"d":"<é"}}}`},
		"xml that is cut":         {spec.Response{Format: "xml"}, []byte(`<a><b></b>`), "!not complete"},
		"xml that does not nest":  {spec.Response{Format: "xml"}, []byte(`<a><b></a></b>`), "!ends no element"},
		"xml with its own entity": {spec.Response{Format: "xml"}, []byte(`<!DOCTYPE a [<!ENTITY x "xxxxxxxx">]><a>&x;</a>`), "!"},
		"xml nested without end":  {spec.Response{Format: "xml"}, []byte(strings.Repeat("<a>", 2000)), "!nested more than"},
	} {
		out, err := asJSON(&x.d, x.body)
		if want, bad := strings.CutPrefix(x.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s, %v, want an error with %q", what, out, err, want)
			}
		} else if err != nil || string(out) != x.want {
			t.Errorf("%s: %s, %v, want %s", what, out, err, x.want)
		}
	}
}

// TestABombInAnArchiveIsNotUnpacked either.
func TestABombInAnArchiveIsNotUnpacked(t *testing.T) {
	zeros := strings.Repeat("\x00", maxBody+1)
	for _, how := range []string{"gzip", "zlib", "zip"} {
		name := strings.Replace(how, "zlib", "deflate", 1)
		if _, err := asJSON(&spec.Response{Compression: name}, packed(t, how, zeros)); err != errTooLarge {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// FuzzAsJSON: what becomes of a csv or xml is JSON, or there is an error.
func FuzzAsJSON(f *testing.F) {
	for _, s := range []string{"id,a\n1,2\n", "\"a\"\"b\",c\n", "a;b\n1", `<a><b x="1">t</b><b/></a>`, `<a/>`, "<a>\x00</a>", "<a b='\"'>\xff</a>", ""} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, isXML bool) {
		d := spec.Response{Format: "csv"}
		if isXML {
			d.Format = "xml"
		}
		if out, err := asJSON(&d, body); err == nil && !scan.Valid(out) {
			t.Errorf("%q becomes %q", body, out)
		}
	})
}

// TestParquet reads a file that the library has written: rows with texts, numbers,
// lists and values that are not there.
func TestParquet(t *testing.T) {
	type flow struct {
		Source  string   `parquet:"srcaddr"`
		Bytes   int64    `parquet:"bytes"`
		Share   *float64 `parquet:"share,optional"`
		Tags    []string `parquet:"tags,list"`
		Started bool     `parquet:"started"`
	}
	half := 0.5
	var b bytes.Buffer
	w := parquet.NewGenericWriter[flow](&b)
	rows := []flow{{"203.0.113.7", 1 << 40, &half, []string{"a", "b"}, true}, {"Zoë", 0, nil, nil, false}}
	for range 99 {
		rows = append(rows, flow{Source: "x"})
	}
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := asJSON(&spec.Response{Format: "parquet"}, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(out, &got); err != nil || len(got) != 101 {
		t.Fatalf("%d rows, %v: %.200s", len(got), err, out)
	}
	if got[0]["srcaddr"] != "203.0.113.7" || got[0]["bytes"] != float64(1<<40) || got[0]["share"] != 0.5 || got[0]["started"] != true || got[1]["srcaddr"] != "Zoë" || got[1]["share"] != nil {
		t.Errorf("%v\n%v", got[0], got[1])
	}
	for _, n := range []int{0, 1, 7, 50, b.Len() / 2, b.Len() - 1} { // cut short, and damaged
		if _, err := asJSON(&spec.Response{Format: "parquet"}, b.Bytes()[:n]); err == nil {
			t.Errorf("%d bytes of %d are a file", n, b.Len())
		}
		bad := bytes.Clone(b.Bytes())
		for i := n; i < min(n+20, len(bad)); i++ {
			bad[i] ^= 0xff
		}
		_, _ = asJSON(&spec.Response{Format: "parquet"}, bad) // it must not panic
	}
}
