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

	// Room is asked before so many bytes more are made of the body, and waits until
	// they may be; nil: there is no limit but Max.
	Room func(n int) error

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
		return fromCSV(o, text)
	case "xml":
		return fromXML(o, text)
	case "lines":
		return whole(fromLines(o, text))
	case "parquet":
		return whole(fromParquet(o, text))
	}
	return &Body{JSON: text, Lines: o.Format == "ndjson"}, nil
}

func whole(json []byte, err error) (*Body, error) { return &Body{JSON: json}, err }

// fromLines makes an object of each line that is not empty.
func fromLines(o Options, body []byte) ([]byte, error) {
	out, growth := []byte{'['}, Growth{Room: o.Room}
	for line := range bytes.Lines(body) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendText(append(out, `{"line":`...), line), '}')
		if err := growth.To(len(out)); err != nil {
			return nil, err
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
