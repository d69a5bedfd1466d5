package rest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// errTooLarge: what a response unpacks to is larger than what is read.
var errTooLarge = fmt.Errorf("the response has more than %d MiB", maxBody>>20)

// asJSON turns a response into JSON as the stream declares it: unpacked, and rows
// or elements as objects.
func asJSON(d *spec.Response, body []byte) ([]byte, error) {
	body, err := unpack(d.Compression, body)
	if err != nil {
		return nil, err
	}
	switch d.Format {
	case "csv":
		return fromCSV(d, body)
	case "xml":
		return fromXML(body)
	case "lines":
		return fromLines(body), nil
	case "parquet":
		return fromParquet(body)
	}
	return body, nil
}

// unpack decompresses a body, up to the limit for responses. Of an archive no name
// is used as one: what it holds goes nowhere but into memory.
func unpack(compression string, body []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch compression {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		if r, err = zlib.NewReader(bytes.NewReader(body)); errors.Is(err, zlib.ErrHeader) { // some leave the header out
			r, err = flate.NewReader(bytes.NewReader(body)), nil
		}
	case "zip":
		r, err = onlyFile(body)
	default:
		return body, nil
	}
	if err != nil {
		return nil, fmt.Errorf("it is no %s: %w", compression, err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is no %s: %w", compression, err)
	case len(out) > maxBody:
		return nil, errTooLarge
	}
	return out, nil
}

// onlyFile opens the one file that an archive has to hold.
func onlyFile(body []byte) (io.Reader, error) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, err
	}
	var files []*zip.File
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			files = append(files, f)
		}
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the archive holds %d files, want one", len(files))
	}
	return files[0].Open()
}

// fromCSV makes an array of objects of rows (RFC 4180). Values stay texts.
func fromCSV(d *spec.Response, body []byte) ([]byte, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	if d.Delimiter != "" {
		r.Comma = []rune(d.Delimiter)[0]
	}
	var names []string
	out := []byte{'['}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return append(out, ']'), nil
		}
		if err != nil {
			return nil, err
		}
		if names == nil && !d.NoHeader {
			names = append([]string{}, row...)
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = appendRow(out, names, row)
	}
}

// fromLines makes an object of each line that is not empty.
func fromLines(body []byte) []byte {
	out := []byte{'['}
	for line := range bytes.Lines(body) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(scan.AppendQuoted(append(out, `{"line":`...), line), '}')
	}
	return append(out, ']')
}

func appendRow(out []byte, names, row []string) []byte {
	out = append(out, '{')
	for i, v := range row {
		if i > 0 {
			out = append(out, ',')
		}
		name := "Column" + strconv.Itoa(i+1)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		out = scan.AppendQuoted(out, name)
		out = append(out, ':')
		out = scan.AppendQuoted(out, v)
	}
	return append(out, '}')
}

// element is an XML element on its way to JSON.
type element struct {
	name     string
	attrs    []xml.Attr
	children []*element
	text     strings.Builder
}

const maxDepth = 1000 // of elements

// fromXML turns a document into JSON as Json.NET does (newtonsoft.com, "Converting
// between JSON and XML"): attributes are @name, text beside them is #text, one
// child of a name is a value, several are an array, an empty element is null.
func fromXML(body []byte) ([]byte, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	root := &element{}
	open := []*element{root}
	for {
		t, err := dec.RawToken() // which keeps prefixes, and leaves it to us whether ends fit
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) > maxDepth {
				return nil, fmt.Errorf("elements are nested more than %d deep", maxDepth)
			}
			e := &element{name: qualified(t.Name), attrs: t.Attr}
			top.children = append(top.children, e)
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 1 || top.name != qualified(t.Name) {
				return nil, fmt.Errorf("</%s> ends no element", qualified(t.Name))
			}
			open = open[:len(open)-1]
		case xml.CharData:
			top.text.Write(t)
		}
	}
	if len(open) != 1 || len(root.children) != 1 {
		return nil, errors.New("the document is not complete")
	}
	return root.children[0].appendMember(append([]byte{}, '{'), "}"), nil
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// appendMember writes "name":value and what follows.
func (e *element) appendMember(out []byte, after string) []byte {
	out = append(scan.AppendQuoted(out, e.name), ':')
	return append(e.appendValue(out), after...)
}

func (e *element) appendValue(out []byte) []byte {
	text := e.text.String()
	if len(e.children) > 0 {
		text = strings.TrimSpace(text) // blanks between elements
	}
	switch {
	case len(e.attrs) == 0 && len(e.children) == 0 && text == "":
		return append(out, "null"...)
	case len(e.attrs) == 0 && len(e.children) == 0:
		return scan.AppendQuoted(out, text)
	}
	out = append(out, '{')
	comma := func() {
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
	}
	for _, a := range e.attrs {
		comma()
		out = append(scan.AppendQuoted(out, "@"+qualified(a.Name)), ':')
		out = scan.AppendQuoted(out, a.Value)
	}
	if text != "" {
		comma()
		out = scan.AppendQuoted(append(out, `"#text":`...), text)
	}
	for _, group := range e.groups() {
		comma()
		if len(group) == 1 {
			out = group[0].appendMember(out, "")
			continue
		}
		out = append(scan.AppendQuoted(out, group[0].name), ":["...)
		for j, c := range group {
			if j > 0 {
				out = append(out, ',')
			}
			out = c.appendValue(out)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}

// groups are the children by name, in the order in which names appear.
func (e *element) groups() (groups [][]*element) {
	at := map[string]int{}
	for _, c := range e.children {
		i, ok := at[c.name]
		if !ok {
			i = len(groups)
			at[c.name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}
