package decode

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
	"testing"
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

func TestUnpack(t *testing.T) {
	cut := packed(t, "gzip", strings.Repeat("[1]", 100))[:30]
	for what, x := range map[string]struct {
		o    Options
		body []byte
		want string // the text, or "!" and a part of the error
	}{
		"as it is":               {Options{}, []byte("[1]"), "[1]"},
		"gzip of two members":    {Options{Compression: "gzip"}, packed(t, "gzip", "[1,", "2]"), "[1,2]"},
		"gzip that nobody told":  {Options{}, packed(t, "gzip", "[1]"), "[1]"},
		"gzip twice":             {Options{Compression: "gzip"}, packed(t, "gzip", string(packed(t, "gzip", "[1]"))), "[1]"},
		"gzip taken off already": {Options{Compression: "gzip"}, []byte("[1]"), "[1]"},
		"half a gzip":            {Options{}, cut, "!it is no whole gzip"},
		"deflate, with header":   {Options{Compression: "deflate"}, packed(t, "zlib", "[1]"), "[1]"},
		"deflate, without":       {Options{Compression: "deflate"}, packed(t, "deflate", "[1]"), "[1]"},
		"deflate by header":      {Options{ContentEncoding: "deflate"}, packed(t, "deflate", "[1]"), "[1]"},
		"deflate taken off":      {Options{Compression: "deflate"}, []byte("[1]"), "[1]"},
		"deflate without a word": {Options{}, packed(t, "zlib", "[1]"), "[1]"},
		"a text like deflate":    {Options{}, []byte("x\x01 is a text"), "x\x01 is a text"},
		"half a deflate":         {Options{Compression: "deflate"}, packed(t, "zlib", strings.Repeat("[1]", 100))[:9], "!it is no whole deflate"},
		"zip":                    {Options{Compression: "zip"}, packed(t, "zip", `[{"a":1}]`), `[{"a":1}]`},
		"zip taken off":          {Options{Compression: "zip"}, []byte("[1]"), "[1]"},
		"zip of two":             {Options{Compression: "zip"}, packed(t, "zip", "[1]", "[2]"), "!holds 2 files"},
		"gzip twice, and said":   {Options{ContentEncoding: "gzip, gzip"}, packed(t, "gzip", string(packed(t, "gzip", "[1]"))), "[1]"},
		"said in other letters":  {Options{ContentEncoding: "GZIP"}, packed(t, "gzip", "[1]"), "[1]"},
		"a charset in its place": {Options{ContentEncoding: "UTF-8"}, []byte("[1]"), "[1]"},
		"zip that nobody told":   {Options{}, packed(t, "zip", "[1]"), "[1]"},
		"something else":         {Options{ContentEncoding: "br"}, []byte("[1]"), `!packed as "br"`},
	} {
		text, err := Text(x.o, x.body)
		matches(t, what, string(text), err, x.want)
	}
}

// matches compares what there is with what is wanted: a text, or "!" and a part of an error.
func matches(t *testing.T, what, got string, err error, want string) {
	t.Helper()
	if part, fails := strings.CutPrefix(want, "!"); fails {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %s, %v, want an error with %q", what, got, err, part)
		}
	} else if err != nil || got != want {
		t.Errorf("%s:\n%s, %v, want\n%s", what, got, err, want)
	}
}

// TestABombInAnArchiveIsNotUnpacked either.
func TestABombInAnArchiveIsNotUnpacked(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	zeros := strings.Repeat("\x00", Max+1)
	for _, how := range []string{"gzip", "zlib", "zip"} {
		name := strings.Replace(how, "zlib", "deflate", 1)
		if _, err := decoded(Options{Compression: name}, packed(t, how, zeros)); err != ErrTooLarge {
			t.Errorf("%s: %v", how, err)
		}
	}
}
