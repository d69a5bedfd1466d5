package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/decode"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// shape makes of what stands in a response the records that the stream means:
// lists with a header, texts that hold records, lists inside of records.
func (l *listing) shape(page *engine.Page, body []byte) error {
	var err error
	growth := &decode.Growth{Room: l.room}
	switch {
	case l.resp.Columns != "" && !empty(page.Records):
		var names []string
		names, err = columnNames(l.resp.Columns, body)
		if missing := new(scan.ShapeError); l.inJob && errors.As(err, &missing) && missing.Found == "" { // only the first of its parts may have them
			err = nil
		}
		if err == nil {
			err = eachRecord(page, growth, named(names))
		}
	case l.resp.Unwrap != "":
		err = eachRecord(page, growth, unwrap(l.resp.Unwrap))
	}
	if err == nil && l.explode.At != "" {
		growth := &decode.Growth{Room: l.room}
		err = eachRecord(page, growth, explode(l.explode.At, l.explode.Index, growth))
	}
	return err
}

// eachRecord rewrites the records of a page, one by one, as an array. Those that cannot
// be read become Bad.
func eachRecord(page *engine.Page, growth *decode.Growth, f func(out, rec []byte) ([]byte, error)) error {
	out, err := rewrite(page, growth, f)
	if err == nil {
		page.Records, page.Lines = out, false
	}
	return err
}

func rewrite(page *engine.Page, growth *decode.Growth, f func(out, rec []byte) ([]byte, error)) ([]byte, error) {
	out := []byte{'['}
	for rec, err := range scan.Records(page.Records, page.Lines) {
		switch {
		case rec == nil:
			return nil, err
		case err != nil:
			page.Bad = append(page.Bad, unreadable(rec, err))
			continue
		}
		before := len(out)
		if before > 1 {
			out = append(out, ',')
		}
		start := len(out)
		if out, err = f(out, rec); err != nil {
			return nil, err
		}
		if len(out) == start {
			out = out[:before]
		}
		if err := growth.To(len(out)); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// unreadable is a record that is no JSON.
func unreadable(rec []byte, err error) engine.Bad {
	return engine.Bad{Body: rec, Reason: "malformed_record", Detail: err.Error()}
}

// elements are the records of a page, and those that cannot be read.
func elements(records []byte, lines bool) (items []json.RawMessage, bad []engine.Bad, err error) {
	for rec, err := range scan.Records(records, lines) {
		switch {
		case rec == nil:
			return nil, nil, err
		case err != nil:
			bad = append(bad, unreadable(rec, err))
		default:
			items = append(items, rec)
		}
	}
	return items, bad, nil
}

// columnNames are the names of columns that a response has.
func columnNames(path string, body []byte) (names []string, err error) {
	place := scan.Place{Path: parsedPath(path), Plain: true}
	err = place.Lists(body, valueAt(body, 0), func(start, end int) {
		if scan.KindOf(body[start]) != scan.Array {
			names = append(names, scan.PlainText(body[start:end]))
			return
		}
		for name, err := range scan.Records(body[start:end], false) {
			if err == nil {
				names = append(names, scan.PlainText(name))
			}
		}
	})
	return names, err
}

// named makes objects of lists of values. What is no list is left as it is.
func named(names []string) func(out, rec []byte) ([]byte, error) {
	return func(out, rec []byte) ([]byte, error) {
		if rec[0] != '[' {
			return append(out, rec...), nil
		}
		out = append(out, '{')
		i := 0
		var err error
		scan.Children(rec, 0, func(_ []byte, at int) bool {
			var end int
			if end, _, err = scan.Skip(rec, at); err != nil {
				return false
			}
			if i > 0 {
				out = append(out, ',')
			}
			name := "Column" + strconv.Itoa(i+1)
			if i < len(names) {
				name = names[i]
			}
			out = append(append(scan.AppendQuoted(out, name), ':'), rec[at:end]...)
			i++
			return true
		})
		return append(out, '}'), err
	}
}

// unwrap takes records out of the texts that hold them. A text that holds none is
// left as it is: it goes to quarantine, as every record that is no object.
func unwrap(how string) func(out, rec []byte) ([]byte, error) {
	return func(out, rec []byte) ([]byte, error) {
		if rec[0] != '"' {
			return append(out, rec...), nil
		}
		text := scan.AppendUnquoted(nil, rec[1:len(rec)-1])
		if how == "base64" {
			raw, err := decodeBase64(text)
			if err != nil {
				return append(out, rec...), nil
			}
			text = raw
		}
		if !scan.Valid(text) {
			return append(out, rec...), nil
		}
		return append(out, text...), nil
	}
}

func decodeBase64(text []byte) ([]byte, error) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := e.DecodeString(string(text)); err == nil {
			return raw, nil
		}
	}
	return nil, fmt.Errorf("%q is no base64", text)
}

// explode makes a record of each element of the list in member at: the outer record
// with that one in the list's place, and its number in member index. A record
// without such a list stays as it is.
func explode(at, index string, growth *decode.Growth) func(out, rec []byte) ([]byte, error) {
	return func(out, rec []byte) ([]byte, error) {
		before, elems, after, err := cut(rec, at)
		if err != nil || len(elems) == 0 {
			return append(out, rec...), err
		}
		for i, elem := range elems {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(append(out, before...), elem...)
			if index != "" {
				out = append(append(append(out, ','), scan.AppendQuoted(nil, index)...), ':')
				out = strconv.AppendInt(out, int64(i), 10)
			}
			out = append(out, after...)
			if err := growth.To(len(out)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// cut finds the elements of the list in a member of an object, or in a member of one of its
// members, and what stands before and after it. A value that is no list is one element.
func cut(rec []byte, path string) (before []byte, elems [][]byte, after []byte, err error) {
	at, end := 0, len(rec)
	for name := range strings.SplitSeq(path, ".") {
		if at, end, err = member(rec, at, name); at < 0 || err != nil {
			return nil, nil, nil, err
		}
	}
	before, after = rec[:at], rec[end:]
	if rec[at] != '[' {
		return before, [][]byte{rec[at:end]}, after, nil
	}
	scan.Children(rec, at, func(_ []byte, e int) bool {
		var stop int
		if stop, _, err = scan.Skip(rec, e); err != nil {
			return false
		}
		elems = append(elems, rec[e:stop])
		return true
	})
	return before, elems, after, err
}

// member is where a member of the object at rec[of:] stands; at is negative when there is none.
func member(rec []byte, of int, name string) (at, end int, err error) {
	at = -1
	if rec[of] != '{' {
		return at, 0, nil
	}
	scan.Children(rec, of, func(key []byte, value int) bool {
		if string(scan.AppendUnquoted(nil, key[1:len(key)-1])) != name {
			return true
		}
		at = value
		end, _, err = scan.Skip(rec, value)
		return false
	})
	return at, end, err
}
