package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// fromParquet makes an array of objects of the rows of a Parquet file. It is the one
// format whose rows are not read in place: they are stored by column.
func fromParquet(body []byte) (out []byte, err error) {
	defer func() { // the library panics on some damaged files
		if p := recover(); p != nil {
			err = fmt.Errorf("it is no Parquet file: %v", p)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("it is no Parquet file: %w", err)
	}
	r := parquet.NewGenericReader[any](f)
	defer r.Close()
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
			if out = append(out, text...); len(out) > Max {
				return nil, ErrTooLarge
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
