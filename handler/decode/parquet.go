package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// fromParquet makes an array of objects of the rows of a Parquet file. It is the one
// format whose rows are not read in place: they are stored by column.
func fromParquet(o Options, body []byte) (out []byte, err error) {
	defer func() { // the library panics on some damaged files
		if p := recover(); p != nil {
			err = fmt.Errorf("it is no Parquet file: %v", p)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("it is no Parquet file: %w", err)
	}
	size, err := claims(f, body)
	if err == nil { // the library keeps what it unpacks
		err = (&Growth{Room: o.Room}).To(size)
	}
	if err != nil {
		return nil, err
	}
	r := parquet.NewGenericReader[any](f)
	defer r.Close()
	growth := Growth{Room: o.Room}
	out = []byte{'['}
	rows := make([]any, 64)
	for {
		n, err := r.Read(rows)
		for _, row := range rows[:n] {
			text, err := json.Marshal(plainRow(row))
			if err != nil {
				return nil, err
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, text...)
			if err := growth.To(len(out)); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, io.EOF) {
			return append(out, ']'), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// claims is how much a file says is in it, and an error if that is more than a body may
// become: the library makes room for what it says. A value becomes at least a byte.
func claims(f *parquet.File, body []byte) (made int, err error) {
	var size, values int64
	add := func(bytes, n int64) error {
		if size, values = size+bytes, values+n; bytes < 0 || n < 0 || bytes > Max || n > Max || size > Max || values > Max {
			return ErrTooLarge
		}
		return nil
	}
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			m := &c.MetaData
			first := m.DataPageOffset
			if d := m.DictionaryPageOffset; d > 0 && d < first {
				first = d
			}
			if first < 0 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > int64(len(body))-first {
				return 0, errors.New("a column of it reaches beyond its end")
			}
			if err := pages(body[first:first+m.TotalCompressedSize], add); err != nil {
				return 0, err
			}
		}
	}
	return int(size), nil
}

// pages calls add with what each page of a column says of its size, and how many values
// it has.
func pages(column []byte, add func(bytes, values int64) error) error {
	for len(column) > 0 {
		r := bytes.NewReader(column)
		var h format.PageHeader
		if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(&h); err != nil {
			return fmt.Errorf("a page of it has no header: %w", err)
		}
		values := int64(h.DictionaryPageHeader.V.NumValues)
		if h.Type != format.DictionaryPage {
			values = int64(h.DataPageHeader.V.NumValues) + int64(h.DataPageHeaderV2.V.NumValues)
		}
		if err := add(int64(h.UncompressedPageSize), values); err != nil {
			return err
		}
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > r.Len() {
			return errors.New("a page of it reaches beyond its end")
		}
		column = column[len(column)-r.Len()+int(h.CompressedPageSize):]
	}
	return nil
}

// plainRow makes texts of the bytes in a row.
func plainRow(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(scan.AppendValidUTF8(nil, v))
	case map[string]any:
		for k, e := range v {
			v[k] = plainRow(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainRow(e)
		}
	}
	return v
}
