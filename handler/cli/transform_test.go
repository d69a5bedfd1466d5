package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"
)

// TestRecordsComeInManyForms reads the same two records however they are written.
func TestRecordsComeInManyForms(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("[{\"a\":1},\n{\"a\":2}]"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"array": `[{"a":1},{"a":2}]`, "lines": "{\"a\":1}\n{\"a\":2}\n", "spaces": " \r\n {\"a\":1} {\"a\":2}", "byte order mark": "\ufeff[{\"a\":1},{\"a\":2}]", "gzip": packed.String(),
	} {
		var got []string
		err := eachRecord(strings.NewReader(text), func(rec json.RawMessage) error {
			got = append(got, string(rec))
			return nil
		})
		if err != nil || strings.Join(got, " ") != `{"a":1} {"a":2}` {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, text := range []string{"", " \n", "[]"} {
		if err := eachRecord(strings.NewReader(text), func(json.RawMessage) error { t.Errorf("%q has a record", text); return nil }); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
