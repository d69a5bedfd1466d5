package kql

import (
	"runtime"
	"strings"
	"testing"
	"weak"
)

// TestForgetLetsGoOfTheRecord: between pages, and between runs, nothing of them is kept.
func TestForgetLetsGoOfTheRecord(t *testing.T) {
	p, err := Compile(`source | extend y = parse_json(tostring(d)).k | project a, b = tostring(y), c = strcat(a, "x"), l = extract("(x+)", 1, a)`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := p.Runner()
	there := func() weak.Pointer[byte] {
		rec := []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `","d":"{\"k\":1}","more":[1,2]}`)
		if _, _, err := m.Map(rec, nil); err != nil {
			t.Fatal(err)
		}
		return weak.Make(&rec[0])
	}()
	m.Forget()
	runtime.GC()
	if there.Value() != nil {
		t.Error("the record is still there")
	}
	runtime.KeepAlive(m)
}
