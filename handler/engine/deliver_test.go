package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// refusing has the sink refuse each upload of which f names a reason.
func (b *bench) refusing(f func(rows string) string) {
	b.sink.Fail = func(batch engine.Batch) error {
		if why := f(string(batch.Rows)); why != "" {
			return &engine.Error{Kind: engine.Rejected, Op: "send rows", Reason: "rejected_400", Err: errors.New(why)}
		}
		return nil
	}
}

// canaries counts the rows that are no events.
func (b *bench) canaries() (n int) {
	for _, row := range b.sink.Rows() {
		if bytes.Contains(row, []byte(`"EventUid":"`+sentinel.CanaryPrefix)) {
			n++
		}
	}
	return n
}

func ids(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("e", i))
	}
	return list
}

// TestASinkThatRefusesEveryRow: it is not the rows that are at fault.
func TestASinkThatRefusesEveryRow(t *testing.T) {
	for _, inFlight := range []int{1, 3} {
		for n, posts := range map[int]int{2: 3, 60: 5, 1: 2} {
			b := newBench(ids(n), ids(n))
			b.InFlight = inFlight
			b.refusing(func(string) string { return "InvalidStream" })
			rep := b.run(t, engine.Failed)
			if rep.Reason != "sink_refuses_all" || !strings.Contains(rep.Message, "InvalidStream") || !strings.Contains(rep.Message, "check the rule") {
				t.Errorf("%d rows: %s (%s)", n, rep.Reason, rep.Message)
			}
			if kept := b.inQuarantine(t); len(kept) > 0 || !rep.Position.Equal(b.s.Start) || b.sink.Uploads > posts {
				t.Errorf("%d rows: %d in quarantine, position %s, %d posts", n, len(kept), rep.Position, b.sink.Uploads)
			}
			b.sink.Fail = nil
			b.run(t, engine.OK)
			b.wantIDs(t, ids(n)...)
		}
	}
}

// TestRowsThatAreRefusedWhereverTheyStand go to quarantine, and the others arrive once.
func TestRowsThatAreRefusedWhereverTheyStand(t *testing.T) {
	for _, bad := range [][]string{{"e0"}, {"e7"}, {"e30"}, {"e59"}, {"e0", "e30"}, {"e0", "e59"}, {"e29", "e30", "e31"}, {"e0", "e29", "e59"}, ids(60)[1:], ids(59), ids(60)[20:]} {
		b := newBench(ids(60))
		b.refusing(func(rows string) string {
			for _, id := range bad {
				if strings.Contains(rows, `"id":"`+id+`"`) {
					return "bad row"
				}
			}
			return ""
		})
		rep := b.run(t, engine.OK)
		want := slices.DeleteFunc(ids(60), func(id string) bool { return slices.Contains(bad, id) })
		got := slices.DeleteFunc(b.sink.IDs(), func(id string) bool { return id == "" }) // a canary
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("%v: rows %v", bad, got)
		}
		if kept := b.inQuarantine(t); len(kept) != len(bad) || rep.Counts.Quarantined != int64(len(bad)) || b.canaries() > 6 {
			t.Errorf("%v: quarantine %q, %+v, %d canaries", bad, kept, rep.Counts, b.canaries())
		}
	}
}

// TestARuleThatBreaksDuringARun: not more than a few rows go to quarantine for it.
func TestARuleThatBreaksDuringARun(t *testing.T) {
	b := newBench(ids(20), ids(200))
	b.BatchBytes = 1000
	took := 0
	b.refusing(func(string) string {
		if took++; took > 3 {
			return "InvalidStream"
		}
		return ""
	})
	rep := b.run(t, engine.Failed)
	if kept := b.inQuarantine(t); rep.Reason != "sink_refuses_all" || len(kept) > 2 || b.sink.Uploads > 30 {
		t.Errorf("%s (%s), %d in quarantine after %d posts", rep.Reason, rep.Message, len(kept), b.sink.Uploads)
	}
	b.sink.Fail = nil
	b.run(t, engine.OK)
	if got := b.sink.IDs(); len(got) < 198 {
		t.Errorf("%d rows", len(got))
	}
}

// TestARuleThatBreaksAfterTheCanary was asked: it is asked again.
func TestARuleThatBreaksAfterTheCanary(t *testing.T) {
	all := ids(200)
	b := newBench(all[:60], all[60:])
	b.BatchBytes = 4000
	broken := false
	b.refusing(func(rows string) string {
		broken = broken || strings.Contains(rows, `"id":"e150"`)
		if broken || slices.ContainsFunc([]string{"e0", "e1", "e2"}, func(id string) bool { return strings.Contains(rows, `"id":"`+id+`"`) }) {
			return "bad row"
		}
		return ""
	})
	rep := b.run(t, engine.Failed)
	if kept := b.inQuarantine(t); rep.Reason != "sink_refuses_all" || len(kept) > 6 {
		t.Errorf("%s (%s), %d in quarantine after %d posts", rep.Reason, rep.Message, len(kept), b.sink.Uploads)
	}
}

// TestALoneRowThatIsRefused does not hold its stream up: that the table takes
// others is asked, once.
func TestALoneRowThatIsRefused(t *testing.T) {
	b := newBench([]string{"bad"})
	b.refusing(func(rows string) string {
		if strings.Contains(rows, "bad") {
			return "bad row"
		}
		return ""
	})
	rep := b.run(t, engine.OK)
	if kept := b.inQuarantine(t); len(kept) != 1 || rep.Counts.Quarantined != 1 || b.canaries() != 1 {
		t.Errorf("quarantine %q, %d canaries", kept, b.canaries())
	}
	b.src.Pages = [][]string{{"bad", "bad again"}}
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK)
	if kept := b.inQuarantine(t); len(kept) != 2 || b.canaries() != 2 {
		t.Errorf("quarantine %q, %d canaries", kept, b.canaries())
	}
}

// TestATableThatTakesCanariesOnly loses no more than a row to quarantine before the
// run fails.
func TestATableThatTakesCanariesOnly(t *testing.T) {
	b := newBench(ids(9))
	b.refusing(func(rows string) string {
		if strings.Contains(rows, `"id"`) {
			return "no such column"
		}
		return ""
	})
	b.BatchBytes = 100 // a row
	rep := b.run(t, engine.Failed)
	if kept := b.inQuarantine(t); rep.Reason != "sink_refuses_all" || len(kept) != 1 {
		t.Errorf("%s (%s), quarantine %q", rep.Reason, rep.Message, kept)
	}
}

// TestRowsRefusedForDifferentReasons are at fault themselves.
func TestRowsRefusedForDifferentReasons(t *testing.T) {
	b := newBench([]string{"bad 1", "bad 2"})
	b.refusing(func(rows string) string {
		switch {
		case strings.Contains(rows, "bad 1"):
			return "column A"
		case strings.Contains(rows, "bad 2"):
			return "column B"
		}
		return ""
	})
	b.run(t, engine.OK)
	if kept := b.inQuarantine(t); len(kept) != 2 || b.canaries() != 1 {
		t.Errorf("quarantine %q, %d canaries", kept, b.canaries())
	}
}
