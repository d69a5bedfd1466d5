package engine_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// FuzzDecodeCheckpoint: whatever is stored, it is a checkpoint that says the
// same once it is written again, or an error.
func FuzzDecodeCheckpoint(f *testing.F) {
	whole, err := engine.EncodeCheckpoint(&engine.Checkpoint{Connection: "c", Stream: "s", Fence: 3, Position: noon, Since: noon.Add(-time.Hour),
		Gaps: []engine.Gap{{Lane: "catchup-2", From: noon, To: noon.Add(time.Hour)}}, Window: &engine.Progress{Window: engine.Window{From: noon, To: noon}, Token: "t"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	f.Add(make([]byte, 100))
	f.Add([]byte(`{"format":99,"sha256":"","checkpoint":{}}`))
	f.Add([]byte(`{"format":1,"sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","checkpoint":{}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := engine.DecodeCheckpoint(data)
		if err != nil {
			return
		}
		again, err := engine.EncodeCheckpoint(c)
		if err != nil {
			return // a time that JSON cannot say, such as one of the year 10000
		}
		back, err := engine.DecodeCheckpoint(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if third, err := engine.EncodeCheckpoint(back); err != nil || !bytes.Equal(again, third) {
			t.Errorf("%s became %s (%v)", again, third, err)
		}
	})
}

// FuzzPageOfRecords: whatever a page holds, the run ends, the books balance, and
// the position moves only if the page was whole.
func FuzzPageOfRecords(f *testing.F) {
	for _, s := range []string{`["a", "b"]`, `["a"`, `"a" "b"`, `["a",,"b"]`, "\x1e\"a\"\n\x1e\"b\"", `[]`, ``, `["#x","!y"]`, `["a"]x`, `null`, `["a" "a"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		b := newBench()
		b.BatchBytes = 2000
		b.s.Source = sourceFunc(func() (*engine.Page, error) { return &engine.Page{Records: page}, nil })
		rep := b.Run(t.Context(), b.s, time.Minute)
		c := b.checkpoint(t)
		if moved := c.Position.Equal(noon); moved != (rep.Outcome == engine.OK) || !c.Totals.Balanced() || !rep.Counts.Balanced() {
			t.Errorf("%q: %+v, checkpoint %+v", page, rep, c)
		}
		if int64(len(b.sink.Rows())) < rep.Counts.Acknowledged {
			t.Errorf("%q: %d rows arrived, %d are acknowledged", page, len(b.sink.Rows()), rep.Counts.Acknowledged)
		}
	})
}
