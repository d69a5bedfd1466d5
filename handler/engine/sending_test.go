package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

func TestARejectedBatchIsBisectedToItsOneBadRecord(t *testing.T) {
	var page []string
	for i := range 100 {
		page = append(page, fmt.Sprint("r", i))
	}
	page[37] = "bad"
	b := newBench(page)
	b.sink.Fail = func(batch engine.Batch) error {
		if bytes.Contains(batch.Rows, []byte("bad")) {
			return &engine.Error{Kind: engine.Rejected, Op: "upload", Reason: "rejected_400"}
		}
		return nil
	}
	rep := b.run(t, engine.OK)
	if rep.Counts.Acknowledged != 99 || rep.Counts.Quarantined != 1 || !rep.Counts.Balanced() {
		t.Errorf("counts %+v", rep.Counts)
	}
	var kept []*engine.Quarantined
	if err := b.Quarantine(t.Context(), "c/s", func(q *engine.Quarantined) error { kept = append(kept, q); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 || string(kept[0].Original()) != `"bad"` || kept[0].Reason != "rejected_400" {
		t.Fatalf("quarantine %+v", kept)
	}
	b.sink.Fail = nil
	if err := b.Replay(t.Context(), b.s, kept[0]); err != nil {
		t.Fatal(err)
	}
	if ids := b.sink.IDs(); len(ids) != 100 || ids[99] != "bad" {
		t.Errorf("after the replay the sink has %d rows", len(ids))
	}
	if st, err := b.Status(t.Context(), b.s); err != nil || st.Quarantined != 0 {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestATooLargeBatchIsSplitUntilItFits(t *testing.T) {
	var page []string
	for i := range 100 {
		page = append(page, fmt.Sprint("r", i))
	}
	b := newBench(page)
	b.sink.Fail = func(batch engine.Batch) error {
		if batch.Count() > 10 {
			return &engine.Error{Kind: engine.Rejected, Op: "upload", Reason: "rejected_413"}
		}
		return nil
	}
	if rep := b.run(t, engine.OK); rep.Counts.Acknowledged != 100 || rep.Counts.Quarantined != 0 {
		t.Errorf("counts %+v", rep.Counts)
	}
	b.wantIDs(t, page...)
}

func TestAnInterruptedRunKeepsItsCompletePages(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"}, []string{"3"})
	ctx, cancel := context.WithCancel(t.Context())
	b.src.Before = func(page int) {
		if page == 1 {
			cancel()
		}
	}
	if rep := b.Run(ctx, b.s, time.Minute); rep.Outcome != engine.Partial || rep.Reason != "interrupted" {
		t.Errorf("report %+v", rep)
	}
	if c := b.checkpoint(t); c.Lease != nil || c.Window == nil || c.Window.Token != "2" {
		t.Errorf("checkpoint %+v", c)
	}
	b.src.Before = nil
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3")
}

func TestNothingIsSentAfterAFailedUpload(t *testing.T) {
	for _, ids := range [][]string{{"1", "2", "3"}, {"1", "2", "3", "4", "5", "6", "7"}} { // it is noticed at the end, or on the way
		b := newBench(ids)
		b.BatchBytes = 220
		b.sink.Fail = func(batch engine.Batch) error {
			if b.sink.Uploads == 1 {
				return &engine.Error{Kind: engine.Auth, Op: "upload", Reason: "denied"}
			}
			return nil
		}
		rep := b.run(t, engine.Failed)
		if b.sink.Uploads != 1 || strings.Count(rep.Message, "upload") != 1 {
			t.Errorf("%d uploads; message %q", b.sink.Uploads, rep.Message)
		}
		b.run(t, engine.OK)
		b.wantIDs(t, ids...)
	}
}
