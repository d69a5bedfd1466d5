package decode

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

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
	out, err := decoded(Options{Format: "parquet"}, b.Bytes())
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
		if _, err := decoded(Options{Format: "parquet"}, b.Bytes()[:n]); err == nil {
			t.Errorf("%d bytes of %d are a file", n, b.Len())
		}
		bad := bytes.Clone(b.Bytes())
		for i := n; i < min(n+20, len(bad)); i++ {
			bad[i] ^= 0xff
		}
		_, _ = decoded(Options{Format: "parquet"}, bad) // it must not panic
	}
}

// TestParquetThatClaimsTooMuch is refused before room is made for it: one page that
// says of itself that it has two thousand million bytes, or values.
func TestParquetThatClaimsTooMuch(t *testing.T) {
	type row struct {
		N int64 `parquet:"n"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.Compression(&parquet.Uncompressed))
	if _, err := w.Write(make([]row, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	m := f.Metadata().RowGroups[0].Columns[0].MetaData
	column := b.Bytes()[m.DataPageOffset:][:m.TotalCompressedSize]
	for name, change := range map[string]func(*format.PageHeader){
		"nothing": func(*format.PageHeader) {},
		"bytes":   func(h *format.PageHeader) { h.UncompressedPageSize = math.MaxInt32 },
		"values": func(h *format.PageHeader) {
			h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues = math.MaxInt32, math.MaxInt32
		},
		"end": func(h *format.PageHeader) { h.CompressedPageSize++ },
	} {
		r := bytes.NewReader(column)
		var h format.PageHeader
		if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(&h); err != nil {
			t.Fatal(err)
		}
		change(&h)
		var bad bytes.Buffer
		if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&bad)).Encode(&h); err != nil {
			t.Fatal(err)
		}
		bad.Write(column[len(column)-r.Len():])
		var size int64
		err := pages(bad.Bytes(), func(bytes, values int64) error {
			if size += bytes; bytes > Max || values > Max {
				return ErrTooLarge
			}
			return nil
		})
		if (err == nil) != (name == "nothing") || name == "nothing" && size < 8000 {
			t.Errorf("%s: %d, %v", name, size, err)
		}
	}
}
