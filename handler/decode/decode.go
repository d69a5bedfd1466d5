// Package decode makes records of bytes: it unpacks what a provider sent, finds out
// how its text is encoded, and makes JSON of rows, elements and lines. One record
// that is damaged does not stop the others: it comes in Body.Bad, or arrives with the
// damage to be seen. What it makes of a body is never larger than Max.
package decode

import (
	"bytes"
	"fmt"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// Max is the largest body that is read, and the most that is made of one, in bytes.
const Max = 64 << 20

// ErrTooLarge says that a body has more than Max bytes, or unpacks or expands to more.
var ErrTooLarge = fmt.Errorf("the response has more than %d MiB", Max>>20)

// expanding has a place for each body that is made larger at a time, in all streams of
// the process together: what a few bytes become is not known before.
var expanding = make(chan struct{}, 4)

// Expand runs f, which makes at most Max bytes of fewer, when few others do so: the
// process never makes more than four times Max at a time.
func Expand[T any](f func() (T, error)) (T, error) { return within(expanding, f) }

// within runs f when there is a place, which it takes until f ends.
func within[T any](places chan struct{}, f func() (T, error)) (T, error) {
	places <- struct{}{}
	defer func() { <-places }()
	return f()
}

// Options say how a body is written: what a stream declares, and what came with it.
type Options struct {
	Format      string // json, ndjson, csv, xml, lines, parquet; "": json
	Compression string // gzip, deflate, zip; "": none, or one that the body begins with
	Delimiter   string // of a csv; "": a comma
	NoHeader    bool   // of a csv
	// Known tells columns of a csv from what is no header; nil: any name is one.
	Known func(column string) bool
	// Records are the names of the elements that lead to the records of an xml, their
	// own as the last. Without, what is no XML is an error of the body.
	Records []string

	ContentType     string
	ContentEncoding string // that the transport has not taken off
}

// Body is what was in a body.
type Body struct {
	JSON  []byte // one or several values, mostly as they came
	Lines bool   // each value has a line of its own
	Bad   []engine.Bad
}

// Text unpacks a body and makes UTF-8 of its text.
func Text(o Options, body []byte) ([]byte, error) {
	body, err := unpack(o, body)
	if err != nil || o.Format == "parquet" {
		return body, err
	}
	return toUTF8(o, body)
}

// Records makes JSON of a text. JSON itself is not validated.
func Records(o Options, text []byte) (*Body, error) {
	switch o.Format {
	case "csv":
		return Expand(func() (*Body, error) { return fromCSV(o, text) })
	case "xml":
		return Expand(func() (*Body, error) { return fromXML(o.Records, text) })
	case "lines":
		return Expand(func() (*Body, error) { return whole(fromLines(text)) })
	case "parquet":
		return Expand(func() (*Body, error) { return whole(fromParquet(text)) })
	}
	return &Body{JSON: text, Lines: o.Format == "ndjson"}, nil
}

func whole(json []byte, err error) (*Body, error) { return &Body{JSON: json}, err }

// fromLines makes an object of each line that is not empty.
func fromLines(body []byte) ([]byte, error) {
	out := []byte{'['}
	for line := range bytes.Lines(body) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendText(append(out, `{"line":`...), line), '}')
		if len(out) > Max {
			return nil, ErrTooLarge
		}
	}
	return append(out, ']'), nil
}

// appendText appends a text as a JSON string. Bytes that are no UTF-8 stay as they
// are: who reads the record sees, and counts, that its text is damaged.
func appendText[T []byte | string](out []byte, text T) []byte {
	out = append(out, '"')
	from := 0
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' {
			out = append(out, text[from:i]...)
			out = scan.AppendEscaped(out, text[i:i+1])
			from = i + 1
		}
	}
	return append(append(out, text[from:]...), '"')
}
