package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// keeping is a bench whose provider refuses to be asked for what is older than it
// keeps, and has a record every ten minutes.
func keeping(keep time.Duration) (*bench, *archive) {
	var list []filed
	for n := range 24 * 6 * 2 {
		at := noon.Add(-48 * time.Hour).Add(time.Duration(n) * 10 * time.Minute)
		list = append(list, newFiled(n, at, at, at))
	}
	b, a := archiveBench(engine.Position{Granularity: time.Second, Overlap: time.Hour, Retention: keep, Ascending: true}, list...)
	a.keeps, a.size = keep, 10
	return b, a
}

func (b *bench) ledger(t *testing.T) (list []engine.LedgerEntry) {
	t.Helper()
	for name := range b.store.List(t.Context(), "ledger/"+b.s.Key()+"/") {
		text, err := b.store.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var e engine.LedgerEntry
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
	}
	return list
}

func TestAStartOlderThanTheProviderKeepsBeginsAtTheOldest(t *testing.T) {
	var log bytes.Buffer
	b, _ := keeping(12 * time.Hour)
	b.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.s.Start = noon.Add(-36 * time.Hour)
	rep := b.run(t, engine.OK)
	if !strings.Contains(log.String(), "older than what the provider keeps") || rep.Counts.Acknowledged != 71 {
		t.Errorf("%+v, log: %s", rep.Counts, &log)
	}
}

// TestAStartOlderThanTheProviderSaysIsAskedFor: it may keep more than it says, and the
// next run goes on there.
func TestAStartOlderThanTheProviderSaysIsAskedFor(t *testing.T) {
	b, a := keeping(12 * time.Hour)
	a.keeps = 0
	b.s.Start, b.s.Position.MaxWindow = noon.Add(-36*time.Hour), 6*time.Hour
	n := 0
	a.fails = func(string) error {
		if n++; n > 8 {
			return &engine.Error{Kind: engine.Auth, Op: "list", Reason: "wrong_credentials"}
		}
		return nil
	}
	b.run(t, engine.Failed)
	a.fails = nil
	if rep := b.run(t, engine.OK); rep.Reason != "" {
		t.Errorf("%+v", rep)
	}
	if got := len(b.sink.IDs()); got != 36*6 {
		t.Errorf("%d of %d records arrived", got, 36*6)
	}
}

// TestARefusalThatIsNotOfTheTimeMovesNothing: whatever it is asked for, the provider
// says no.
func TestARefusalThatIsNotOfTheTimeMovesNothing(t *testing.T) {
	b, a := keeping(12 * time.Hour)
	b.s.Start = noon.Add(-36 * time.Hour)
	a.fails = func(string) error { return &engine.Error{Kind: engine.Permanent, Op: "list", Reason: "not_found"} }
	b.run(t, engine.Failed)
	if c := b.checkpoint(t); !c.Position.Equal(b.s.Start) {
		t.Errorf("the position is at %s", c.Position)
	}
	a.fails, a.keeps = nil, 0
	b.run(t, engine.OK)
	if got := len(b.sink.IDs()); got != 36*6 {
		t.Errorf("%d of %d records arrived", got, 36*6)
	}
}

// TestAPositionOlderThanTheProviderKeepsGoesOnAtTheOldest: what lies between is in
// the ledger, and the run is red; the next one is not.
func TestAPositionOlderThanTheProviderKeepsGoesOnAtTheOldest(t *testing.T) {
	for _, pages := range []int{1000, 3} { // the position was between two windows, or inside one
		b, a := keeping(12 * time.Hour)
		b.s.Start = noon.Add(-8 * time.Hour)
		b.clock.Advance(-4 * time.Hour)
		n := 0
		a.fails = func(string) error {
			if n++; n > pages {
				return &engine.Error{Kind: engine.Auth, Op: "list", Reason: "wrong_credentials"}
			}
			return nil
		}
		b.Run(t.Context(), b.s, time.Minute)
		before := b.checkpoint(t)
		a.fails = nil
		b.clock.Advance(24 * time.Hour)
		for n := range 120 {
			at := noon.Add(time.Duration(n) * 10 * time.Minute)
			a.list = append(a.list, newFiled(1000+n, at, at, at))
		}
		rep := b.run(t, engine.Failed)
		if rep.Reason != "gap_retention" || !strings.Contains(rep.Message, before.Position.Format(time.RFC3339)) || rep.Counts.Acknowledged < 71 {
			t.Errorf("%+v", rep)
		}
		var sum engine.Counts
		var gone *engine.Window
		for _, e := range b.ledger(t) {
			sum.Add(e.Counts)
			if e.Gone != nil {
				gone = e.Gone
			}
		}
		c := b.checkpoint(t)
		if gone == nil || !gone.From.Equal(before.Position) || !gone.To.Equal(b.clock.Now().Add(-12*time.Hour+time.Minute+time.Second)) {
			t.Errorf("the ledger says that %v is gone", gone)
		}
		if sum != c.Totals {
			t.Errorf("the ledger has %+v, the checkpoint %+v", sum, c.Totals)
		}
		b.run(t, engine.OK)
		seen := map[string]int{}
		for _, id := range b.sink.IDs() {
			if seen[id]++; seen[id] > 1 {
				t.Errorf("%s came twice", id)
			}
		}
	}
}

// TestTheOverlapIsNotAskedForBeyondWhatTheProviderKeeps, and nothing is lost by that.
func TestTheOverlapIsNotAskedForBeyondWhatTheProviderKeeps(t *testing.T) {
	b, a := keeping(2 * time.Hour)
	b.s.Start = noon.Add(-time.Hour)
	b.run(t, engine.OK)
	b.clock.Advance(90 * time.Minute)
	b.run(t, engine.OK)
	if from := a.asked[len(a.asked)-1].From; !from.Equal(b.clock.Now().Add(-2*time.Hour + time.Minute + time.Second)) {
		t.Errorf("asked from %s", from)
	}
}

// TestAGapOlderThanTheProviderKeepsIsClosed: there is nothing left to catch up on.
func TestAGapOlderThanTheProviderKeepsIsClosed(t *testing.T) {
	b := newBench()
	b.s.Start, b.s.Position.MaxWindow, b.s.Position.Retention = noon.Add(-7*24*time.Hour), 12*time.Hour, 8*24*time.Hour
	list := testkit.NewTimeline(b.s.Start, noon, time.Hour)
	b.s.Source = list
	list.Before = func() { b.clock.Advance(40 * time.Second) }
	b.Collect(t.Context(), b.s, time.Minute)
	if reps := b.Collect(t.Context(), b.s, time.Minute); len(reps[0].Gaps) != 1 {
		t.Fatalf("no gap: %+v", reps)
	}
	list.Before = func() {}
	b.clock.Advance(9 * 24 * time.Hour)
	reps := append(b.Collect(t.Context(), b.s, time.Hour), b.Collect(t.Context(), b.s, time.Hour)...)
	var said []string
	for _, rep := range reps {
		said = append(said, fmt.Sprint(rep.Stream, " ", rep.Outcome, " ", rep.Reason))
	}
	if got := strings.Join(said, ", "); got != "s failed gap_retention, s ok , s@catchup-2 failed gap_retention" {
		t.Errorf("runs: %s", got)
	}
	if reps := b.Collect(t.Context(), b.s, time.Hour); len(reps) != 1 || len(reps[0].Gaps) != 0 {
		t.Errorf("at last: %+v", reps)
	}
}

// TestNothingIsClaimedOfTheFuture: neither by a start, nor by a checkpoint that was
// written while the clock was wrong; both change nothing, and pass.
func TestNothingIsClaimedOfTheFuture(t *testing.T) {
	b := newBench([]string{"1"})
	b.s.Start = noon.Add(time.Hour)
	if rep := b.run(t, engine.Failed); rep.Reason != "start_in_future" || !strings.Contains(rep.Message, "2026-11-22T13:00:00Z") || len(b.src.Asked) > 0 {
		t.Errorf("%+v", rep)
	}
	if gens, _ := b.store.Generations(t.Context(), "checkpoints/c/s"); len(gens) > 0 {
		t.Error("a checkpoint was written")
	}
	b.clock.Advance(2 * time.Hour)
	b.run(t, engine.OK)
	b.clock.Advance(-90 * time.Minute)
	if rep := b.run(t, engine.Failed); rep.Reason != "position_in_future" || !strings.Contains(rep.Message, "sluice state rewind") || len(b.src.Asked) > 1 {
		t.Errorf("%+v", rep)
	}
	b.clock.Advance(2 * time.Hour)
	b.run(t, engine.OK)
}
