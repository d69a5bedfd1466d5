package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// lane is the stream of b set apart for a part of the past.
func (b *bench) lane(from, until time.Time) *engine.Stream {
	s := *b.s
	s.Lane, s.Start, s.Until = "backfill-x", from, until
	return &s
}

func TestLaneIsApartFromTheLiveCollection(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"})
	b.run(t, engine.OK)
	live := b.checkpoint(t)
	from, until := noon.Add(-48*time.Hour), noon.Add(-24*time.Hour)
	lane := b.lane(from, until)
	var told []engine.Report
	b.Committed = func(_ *engine.Stream, rep engine.Report) { told = append(told, rep) }
	rep := b.Run(t.Context(), lane, time.Minute)
	if rep.Outcome != engine.OK || !rep.Position.Equal(until) || rep.Backlog != 0 || rep.Stream != "s@backfill-x" {
		t.Fatalf("report %+v", rep)
	}
	if asked := b.src.Asked[len(b.src.Asked)-1]; !asked.From.Equal(from) || !asked.To.Equal(until) {
		t.Errorf("asked for %v", asked)
	}
	if now := b.checkpoint(t); !now.Position.Equal(live.Position) || now.Totals != live.Totals {
		t.Errorf("the live checkpoint is %+v", now)
	}
	rows := b.sink.Rows()
	for i, row := range rows {
		if marked := strings.Contains(string(row), `"IsBackfill":true`); marked != (i >= 2) {
			t.Errorf("row %d: %s", i, row)
		}
	}
	if len(rows) != 4 || len(told) == 0 || !told[len(told)-1].Position.Equal(until) {
		t.Errorf("%d rows, told %+v", len(rows), told)
	}
	if rep := b.Run(t.Context(), lane, time.Minute); rep.Outcome != engine.OK || rep.Counts.Fetched != 0 {
		t.Errorf("done already: %+v", rep)
	}
}

func TestLaneGoesOnWhereItWasStopped(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"}, []string{"3"})
	lane := b.lane(noon.Add(-48*time.Hour), noon.Add(-24*time.Hour))
	ctx, stop := context.WithCancel(t.Context())
	b.src.Before = func(page int) {
		if page == 1 {
			stop()
		}
	}
	if rep := b.Run(ctx, lane, time.Minute); rep.Outcome != engine.Partial {
		t.Fatalf("report %+v", rep)
	}
	b.src.Before = nil
	if rep := b.Run(t.Context(), lane, time.Minute); rep.Outcome != engine.OK || rep.Counts.Fetched == 0 {
		t.Fatalf("report %+v", rep)
	}
	b.wantIDs(t, "1", "2", "3")
}

// TestLaneEndsWhereRecordsAreComplete: a lane that reaches into the lag stops
// short of it, as the live collection does, and says what is left.
func TestLaneEndsWhereRecordsAreComplete(t *testing.T) {
	b := newBench([]string{"1"})
	b.s.Position.Lag = 10 * time.Minute
	rep := b.Run(t.Context(), b.lane(noon.Add(-time.Hour), noon), time.Minute)
	if !rep.Position.Equal(noon.Add(-10*time.Minute)) || rep.Backlog != 10*time.Minute {
		t.Errorf("report %+v", rep)
	}
}

// TestAStreamFarBehindSetsItsPastApart: what happens now comes first, and the
// past goes on where it was, without a row twice at the seam.
func TestAStreamFarBehindSetsItsPastApart(t *testing.T) {
	b := newBench()
	b.s.Start = noon.Add(-7 * 24 * time.Hour)
	b.s.Position.MaxWindow, b.s.Position.Lag = 12*time.Hour, time.Minute
	list := testkit.NewTimeline(b.s.Start, noon.Add(time.Hour), time.Hour)
	b.s.Source = list
	list.Before = func() { b.clock.Advance(20 * time.Second) }
	first := b.Collect(t.Context(), b.s, time.Minute)
	if len(first) != 1 || first[0].Outcome != engine.Partial || len(first[0].Gaps) != 0 {
		t.Fatalf("the first run: %+v", first)
	}
	second := b.Collect(t.Context(), b.s, time.Minute)
	live := second[0]
	if live.Outcome != engine.OK || len(live.Gaps) != 1 || live.Backlog > 5*time.Minute || !live.Gaps[0].From.Equal(first[0].Position) {
		t.Fatalf("the second run: %+v", live)
	}
	if len(second) != 2 || second[1].Stream != "s@"+live.Gaps[0].Lane || second[1].Counts.Acknowledged == 0 {
		t.Fatalf("the lane: %+v", second)
	}
	runs := 2
	for ; len(b.Collect(t.Context(), b.s, time.Minute)[0].Gaps) > 0; runs++ {
		if runs > 20 {
			t.Fatal("the gap is never closed")
		}
	}
	ids := b.sink.IDs()
	seen := map[string]int{}
	for _, id := range ids {
		seen[id]++
	}
	for _, id := range list.IDs(b.clock.Now().Add(-time.Minute)) {
		if seen[id] != 1 {
			t.Errorf("%s came %d times", id, seen[id])
		}
	}
}

// TestLateRecordsAreCountedByHowLateTheyWere.
func TestLateRecordsAreCountedByHowLateTheyWere(t *testing.T) {
	b := newBench([]string{"a@2026-11-22T11:58:00Z"})
	if rep := b.run(t, engine.OK); rep.Late != nil {
		t.Errorf("the first run has late records: %v", rep.Late)
	}
	b.clock.Advance(4 * time.Minute)
	b.src.Pages = [][]string{{"a@2026-11-22T11:58:00Z", "b@2026-11-22T11:57:00Z", "c@2026-11-22T11:59:30Z", "d@2026-11-22T12:03:00Z"}}
	rep := b.run(t, engine.OK)
	if len(rep.Late) != 2 || rep.Late["5m"] != 1 || rep.Late["15m"] != 1 {
		t.Errorf("late: %v", rep.Late)
	}
}

// TestAGapEndsBehindAListingThatWasBegunEarly: the first run does not come to the end of a
// window that is listed while records of its last hour can still come, one of them comes
// where the listing has been, and nothing but the gap would ask for that time again.
func TestAGapEndsBehindAListingThatWasBegunEarly(t *testing.T) {
	var list []filed
	var want []string
	file := func(at time.Time, late time.Duration) {
		list = append(list, newFiled(len(list), at, at.Add(late), at))
		want = append(want, list[len(list)-1].id)
	}
	for n := range 8 {
		file(noon.Add(time.Duration(n-10)*time.Minute), 0)
	}
	file(noon.Add(-10*time.Minute-time.Second), 30*time.Minute)
	b, a := archiveBench(engine.Position{Granularity: time.Second, Overlap: time.Hour}, list...)
	a.took = 30 * time.Second
	if rep := b.Collect(t.Context(), b.s, time.Minute)[0]; rep.Outcome != engine.Partial || rep.Pages == 0 {
		t.Fatalf("report %+v", rep)
	}
	a.took = 0
	b.clock.Advance(noon.Add(time.Hour).Sub(b.clock.Now())) // to the hour: the gap would end where the window does
	for range 3 {
		b.Collect(t.Context(), b.s, time.Hour)
		b.clock.Advance(time.Minute)
	}
	got := b.sink.IDs()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("rows %v\nwant %v", got, want)
	}
}
