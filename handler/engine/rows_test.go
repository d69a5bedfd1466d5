package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// fan makes several rows of a record, in two tables: of "a:3:1" three in the first and
// one in the second.
type fan struct{ testkit.LineMapper }

func (m *fan) Rows(to *engine.Rows, s *engine.Stamp) {
	name, counts, _ := strings.Cut(string(m.ID()), ":")
	var n [2]int
	_, _ = fmt.Sscanf(counts, "%d:%d", &n[0], &n[1])
	stamp := *s
	for table := range n {
		for i := range n[table] {
			stamp.UID = fmt.Appendf(nil, "%s/%d", s.UID, i)
			row := to.Begin(table)
			start := len(row)
			row = fmt.Appendf(row, `{"id":"%s%d%c"`, name, i, 'T'+table)
			to.End(sentinel.Seal(row, start, &stamp, sentinel.Said{}))
		}
	}
}

func newFan(pages ...[]string) *bench {
	b := newBench(pages...)
	b.s.Mapper = &fan{}
	b.s.Tables = []engine.Table{{Name: "T_CL"}, {Name: "U_CL"}}
	return b
}

// TestARecordMayHaveSeveralRowsInSeveralTables, or none: counted are records.
func TestARecordMayHaveSeveralRowsInSeveralTables(t *testing.T) {
	for _, size := range []int{250, 400, 1000, sentinel.MaxBatch} {
		b := newFan([]string{"a:3:1", "b:0:0", "c:1:0"}, []string{"d:0:2"}, []string{"e:9:4", "f:1:1"})
		b.BatchBytes = size
		tables := map[string][]string{}
		b.sink.Fail = func(batch engine.Batch) error {
			if len(batch.Rows) > size {
				t.Errorf("an upload of %d bytes, at most %d", len(batch.Rows), size)
			}
			for i := range batch.Ends {
				id, _, _ := bytes.Cut(bytes.TrimPrefix(batch.Row(i), []byte(`{"id":"`)), []byte{'"'})
				tables[batch.Table] = append(tables[batch.Table], string(id))
			}
			return nil
		}
		rep := b.run(t, engine.OK)
		want := map[string][]string{
			"T_CL": {"a0T", "a1T", "a2T", "c0T", "e0T", "e1T", "e2T", "e3T", "e4T", "e5T", "e6T", "e7T", "e8T", "f0T"},
			"U_CL": {"a0U", "d0U", "d1U", "e0U", "e1U", "e2U", "e3U", "f0U"},
		}
		if !maps.EqualFunc(tables, want, slices.Equal) {
			t.Errorf("%d: %v", size, tables)
		}
		if want := (engine.Counts{Fetched: 6, Filtered: 1, Acknowledged: 5}); rep.Counts != want {
			t.Errorf("%d: %+v", size, rep.Counts)
		}
	}
}

// TestARecordOfWhichARowIsRefusedIsInQuarantine, once, and what else there is arrives.
func TestARecordOfWhichARowIsRefusedIsInQuarantine(t *testing.T) {
	b := newFan([]string{"a:2:2", "b:3:3", "c:1:1"})
	b.sink.Fail = func(batch engine.Batch) error {
		if batch.Table == "U_CL" && (bytes.Contains(batch.Rows, []byte("b1U")) || bytes.Contains(batch.Rows, []byte("b2U"))) {
			return &engine.Error{Kind: engine.Rejected, Op: "upload", Reason: "content", Err: errors.New("bad row")}
		}
		return nil
	}
	rep := b.run(t, engine.OK)
	if want := (engine.Counts{Fetched: 3, Acknowledged: 2, Quarantined: 1}); rep.Counts != want {
		t.Errorf("%+v", rep.Counts)
	}
	b.wantIDs(t, "a0T", "a1T", "b0T", "b1T", "b2T", "c0T", "a0U", "a1U", "b0U", "c0U")
	var kept []string
	err := b.Quarantine(t.Context(), "", func(q *engine.Quarantined) error { kept = append(kept, string(q.Original())); return nil })
	if err != nil || !slices.Equal(kept, []string{`"b:3:3"`}) {
		t.Errorf("in quarantine: %s, %v", kept, err)
	}
	// Sent again as it is, all of its rows arrive.
	b.sink.Fail = nil
	err = b.Quarantine(t.Context(), "", func(q *engine.Quarantined) error { return b.Replay(t.Context(), b.s, q) })
	if got := b.sink.IDs()[10:]; err != nil || !slices.Equal(got, []string{"b0T", "b1T", "b2T", "b0U", "b1U", "b2U"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// queue is a source whose pages have receipts.
type queue struct {
	*testkit.ListSource
	fail  error
	acked []string
	at    func() int // what was delivered when it was told
	when  []int
}

func (q *queue) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	page, err := q.ListSource.Fetch(ctx, w, token)
	if page != nil {
		page.Receipt = "r" + token
	}
	return page, err
}

func (q *queue) Acknowledge(_ context.Context, receipts []string) error {
	q.acked, q.when = append(q.acked, receipts...), append(q.when, q.at())
	return q.fail
}

// TestPagesAreAcknowledgedAfterTheirCommit, in their order and each once.
func TestPagesAreAcknowledgedAfterTheirCommit(t *testing.T) {
	b := newBench([]string{"1", "2"}, []string{"3"}, []string{}, []string{"4"})
	b.BatchBytes = 200 // two rows
	q := &queue{ListSource: b.src}
	q.at = func() int { return len(b.sink.Rows()) }
	b.s.Source = q
	b.sink.Fail = func(batch engine.Batch) error {
		if bytes.Contains(batch.Rows, []byte(`"id":"3"`)) {
			return &engine.Error{Kind: engine.Auth, Op: "upload", Reason: "dcr_role_missing"}
		}
		return nil
	}
	b.run(t, engine.Failed)
	if !slices.Equal(q.acked, []string{"r"}) || q.when[0] != 2 {
		t.Errorf("acknowledged %v after %v rows", q.acked, q.when)
	}
	b.sink.Fail = nil
	b.run(t, engine.OK)
	if !slices.Equal(q.acked, []string{"r", "r1", "r2", "r3"}) {
		t.Errorf("acknowledged %v", q.acked)
	}
	b.wantIDs(t, "1", "2", "3", "4")
}

// TestAReceiptThatIsNotTakenLosesNothing: what comes again is known.
func TestAReceiptThatIsNotTakenLosesNothing(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"})
	q := &queue{ListSource: b.src, at: func() int { return 0 }, fail: &engine.Error{Kind: engine.Transient, Op: "acknowledge", Reason: "queue_down"}}
	b.s.Source = q
	if rep := b.run(t, engine.Failed); rep.Reason != "queue_down" {
		t.Errorf("%s: %s", rep.Reason, rep.Message)
	}
	q.fail = nil
	b.clock.Advance(engine.DefaultLease)
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2")
}
