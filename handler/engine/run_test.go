package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// bench is an engine with everything around it in memory.
type bench struct {
	*engine.Engine
	store *memory.Store
	sink  *memory.Sink
	clock *memory.Clock
	src   *testkit.ListSource
	s     *engine.Stream
}

func newBench(pages ...[]string) *bench {
	b := &bench{store: memory.NewStore(), sink: memory.NewSink(), clock: memory.NewClock(noon),
		src: &testkit.ListSource{Pages: pages}}
	b.Engine = sentinel.NewEngine(b.store, b.sink, slog.New(slog.DiscardHandler))
	b.Clock, b.InFlight = b.clock, 1
	b.s = &engine.Stream{Connection: "c", Connector: "c", Name: "s", Tables: []engine.Table{{Name: "T_CL"}}, Source: b.src, Mapper: &testkit.LineMapper{},
		Position: engine.Position{Overlap: 5 * time.Minute, Granularity: time.Millisecond}, Start: noon.Add(-time.Hour)}
	return b
}

func (b *bench) run(t *testing.T, want engine.Outcome) engine.Report {
	t.Helper()
	rep := b.Run(t.Context(), b.s, time.Minute)
	if rep.Outcome != want {
		t.Fatalf("outcome %s (%s: %s), want %s", rep.Outcome, rep.Reason, rep.Message, want)
	}
	return rep
}

func (b *bench) checkpoint(t *testing.T) *engine.Checkpoint {
	t.Helper()
	c, _, _, err := engine.LoadCheckpoint(t.Context(), b.store, b.s.Key())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) wantIDs(t *testing.T, want ...string) {
	t.Helper()
	if got := b.sink.IDs(); !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestRunDeliversAllPagesAndClosesTheWindow(t *testing.T) {
	b := newBench([]string{"1", "2"}, []string{}, []string{"3", "!4", "2"})
	rep := b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3")
	want := engine.Counts{Fetched: 4, Repeated: 1, Acknowledged: 3, Filtered: 1}
	if rep.Counts != want || rep.Pages != 3 || rep.Windows != 1 {
		t.Errorf("report %+v", rep)
	}
	c := b.checkpoint(t)
	if !c.Position.Equal(noon) || c.Window != nil || c.Lease != nil || c.Totals != want {
		t.Errorf("checkpoint %+v", c)
	}
	line, err := b.store.Get(t.Context(), "ledger/c/s/2026-11-22.ndjson")
	var entry engine.LedgerEntry
	if err != nil || json.Unmarshal(line, &entry) != nil || !entry.Balanced || entry.Counts != want {
		t.Errorf("ledger %s, %v", line, err)
	}
	var row map[string]any
	_ = json.Unmarshal(b.sink.Rows()[0], &row)
	if row["EventUid"] != "1" || row["SluiceConnection"] != "c" || row["TimeGenerated"] != "2026-11-22T12:00:00Z" {
		t.Errorf("row %v", row)
	}
}

func TestRunKeepsPositionWhenSinkFails(t *testing.T) {
	b := newBench([]string{"1", "2"})
	b.sink.Fail = func(engine.Batch) error {
		return &engine.Error{Kind: engine.Auth, Op: "upload", Reason: "dcr_role_missing", Hint: "assign the role"}
	}
	rep := b.run(t, engine.Failed)
	if rep.Reason != "dcr_role_missing" || !strings.Contains(rep.Message, "assign the role") || rep.Pages != 0 {
		t.Errorf("report %+v", rep)
	}
	if c := b.checkpoint(t); !c.Position.Equal(noon.Add(-time.Hour)) || c.StalledRuns != 1 {
		t.Errorf("checkpoint %+v", c)
	}
	b.sink.Fail = nil
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2")
}

func TestRunResumesAtThePageThatFailed(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"}, []string{"3"})
	b.src.Fail = func(page, _ int) error {
		if page == 1 {
			return &engine.Error{Kind: engine.Auth, Op: "list", Reason: "wrong_credentials"}
		}
		return nil
	}
	b.run(t, engine.Failed)
	b.wantIDs(t, "1")
	if c := b.checkpoint(t); c.Window == nil || c.Window.Token != "1" || c.Window.Counts.Acknowledged != 1 {
		t.Fatalf("checkpoint %+v", c)
	}
	b.src.Fail = nil
	b.src.Asked = nil
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3")
	if c := b.checkpoint(t); c.Totals.Acknowledged != 3 || !c.Totals.Balanced() || len(b.src.Asked) != 2 {
		t.Errorf("checkpoint %+v after %d requests", c, len(b.src.Asked))
	}
}

func TestTransientErrorsAreRetriedAndThrottlingIsObeyed(t *testing.T) {
	b := newBench([]string{"1"})
	b.src.Fail = func(_, call int) error {
		switch call {
		case 1:
			return &engine.Error{Kind: engine.Transient, Op: "list"}
		case 2:
			return &engine.Error{Kind: engine.Throttled, Op: "list", Wait: 37 * time.Second}
		}
		return nil
	}
	b.run(t, engine.OK)
	if want := []time.Duration{500 * time.Millisecond, 37 * time.Second}; !slices.Equal(b.clock.Slept, want) {
		t.Errorf("slept %v, want %v", b.clock.Slept, want)
	}
}

func TestALongerWaitThanTheBudgetEndsTheRunWithNothingLost(t *testing.T) {
	b := newBench([]string{"1"})
	b.sink.Fail = func(engine.Batch) error {
		return &engine.Error{Kind: engine.Throttled, Op: "upload", Reason: "throttled", Wait: time.Hour}
	}
	if rep := b.run(t, engine.Failed); rep.Reason != "throttled" || len(b.clock.Slept) != 0 {
		t.Errorf("report %+v, slept %v", rep, b.clock.Slept)
	}
}

func TestBudgetEndsARunAtAPageAndTheNextGoesOn(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"}, []string{"3"})
	b.src.Before = func(page int) { b.clock.Advance(time.Duration(30+page) * time.Second) }
	rep := b.run(t, engine.Partial)
	if rep.Reason != "budget" {
		t.Errorf("report %+v", rep)
	}
	b.wantIDs(t, "1", "2")
	b.src.Before = nil
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3")
}

// TestAPageThatIsTooSlowForWhatIsLeftIsNotBegun: it would be cut off, and asked for again.
func TestAPageThatIsTooSlowForWhatIsLeftIsNotBegun(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"}, []string{"3"})
	asked := 0
	b.src.Before = func(int) { asked++; b.clock.Advance(55 * time.Second) }
	for n := 1; n <= 2; n++ {
		if rep := b.run(t, engine.Partial); rep.Reason != "budget" || asked != n {
			t.Errorf("%d pages were asked for: %+v", asked, rep)
		}
	}
	b.src.Before = nil
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3")
}

func TestTwoRunsWithoutAPageAreStalled(t *testing.T) {
	b := newBench([]string{"1"})
	b.sink.Fail = func(engine.Batch) error {
		b.clock.Advance(time.Minute)
		return &engine.Error{Kind: engine.Transient, Op: "upload"}
	}
	b.run(t, engine.Failed)
	if rep := b.run(t, engine.Failed); rep.Stalled != 2 {
		t.Errorf("report %+v", rep)
	}
}

func TestOverlapRepeatsNothingAndFindsLateRecords(t *testing.T) {
	early, late := "a@2026-11-22T11:58:00Z", "b@2026-11-22T11:57:00Z"
	b := newBench([]string{early})
	b.run(t, engine.OK)
	b.clock.Advance(10 * time.Minute)
	b.src.Pages = [][]string{{late, early}}
	b.src.Asked = nil
	rep := b.run(t, engine.OK)
	b.wantIDs(t, early, late)
	if rep.Counts.Repeated != 1 || !b.src.Asked[0].From.Equal(noon.Add(-5*time.Minute)) {
		t.Errorf("report %+v, window %v", rep.Counts, b.src.Asked[0])
	}
	// What happened before the overlap is forgotten: memory is bounded.
	b.clock.Advance(time.Hour)
	b.src.Pages = [][]string{{}}
	b.run(t, engine.OK)
	if c := b.checkpoint(t); len(c.Seen) != 0 {
		t.Errorf("%d ids are remembered", len(c.Seen))
	}
}

func TestLongRangesAreListedInWindows(t *testing.T) {
	b := newBench()
	b.s.Position.MaxWindow, b.s.Position.Lag, b.s.Position.FromExclusive = 20*time.Minute, 5*time.Minute, true
	b.run(t, engine.OK)
	var got []string
	for _, w := range b.src.Asked {
		got = append(got, w.From.Format("15:04:05.000")+"-"+w.To.Format("15:04"))
	}
	want := []string{"10:59:59.999-11:20", "11:14:59.999-11:35", "11:29:59.999-11:50", "11:44:59.999-11:55"}
	if !slices.Equal(got, want) {
		t.Errorf("windows %v, want %v", got, want)
	}
}

func TestExpiredTokenListsFromTheNewestEventAgain(t *testing.T) {
	a, z := "a@2026-11-22T11:30:00Z", "z@2026-11-22T11:40:00Z"
	for _, ascending := range []bool{true, false} {
		b := newBench([]string{a}, []string{z})
		b.s.Position.Ascending = ascending
		failed := false
		b.src.Fail = func(page, _ int) error {
			if page == 1 && !failed {
				failed = true
				return fmt.Errorf("410 gone: %w", engine.ErrTokenExpired)
			}
			return nil
		}
		b.run(t, engine.OK)
		b.wantIDs(t, a, z)
		want := noon.Add(-time.Hour)
		if ascending {
			want = noon.Add(-35 * time.Minute)
		}
		if got := b.src.Asked[2].From; !got.Equal(want) {
			t.Errorf("ascending %v: listed again from %v, want %v", ascending, got, want)
		}
	}
}

func TestAPageThatNamesItselfAsTheNextEndsTheRun(t *testing.T) {
	b := newBench()
	calls := 0
	b.s.Source = sourceFunc(func() (*engine.Page, error) {
		calls++
		return &engine.Page{Records: fmt.Appendf(nil, `["%d"]`, calls), Next: "same"}, nil
	})
	if rep := b.run(t, engine.Failed); rep.Reason != "paging_loop" || calls != 2 {
		t.Errorf("report %+v after %d requests", rep, calls)
	}
}

// TestAPageThatSpansMoreThanTheOverlapIsGoneOnWithInItsMiddle: the ids of a page
// that is not complete are remembered however old its records are.
func TestAPageThatSpansMoreThanTheOverlapIsGoneOnWithInItsMiddle(t *testing.T) {
	var page []string
	for i := range 6 {
		page = append(page, fmt.Sprintf("%d@2026-11-22T11:%d0:00Z", i, i))
	}
	b := newBench(page)
	b.s.Position.Ascending = true
	b.BatchBytes = 300 // two rows
	b.sink.Fail = func(engine.Batch) error {
		if b.sink.Uploads == 3 {
			return &engine.Error{Kind: engine.Auth, Op: "upload"}
		}
		return nil
	}
	b.run(t, engine.Failed)
	b.run(t, engine.OK)
	b.wantIDs(t, page...)
}

func TestOddRecordsGoToQuarantineAndTheirMatesArrive(t *testing.T) {
	b := newBench([]string{"1", "#array", "2", "long" + strings.Repeat("x", 500), "3"})
	b.BatchBytes = 400
	rep := b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3")
	if rep.Counts.Quarantined != 2 || !rep.Counts.Balanced() {
		t.Errorf("counts %+v", rep.Counts)
	}
}

func TestBatchesAreFullAndNeverTooLarge(t *testing.T) {
	var page []string
	for i := range 500 {
		page = append(page, fmt.Sprintf("%03d%s", i, strings.Repeat("x", i%7)))
	}
	b := newBench(page)
	b.BatchBytes = 1000
	var sizes []int
	b.InFlight = 1
	b.sink.Fail = func(batch engine.Batch) error { sizes = append(sizes, len(batch.Rows)); return nil }
	b.run(t, engine.OK)
	if len(b.sink.IDs()) != 500 {
		t.Fatalf("%d rows", len(b.sink.IDs()))
	}
	for i, n := range sizes {
		if n > 1000 || i < len(sizes)-1 && n < 850 {
			t.Errorf("batch %d has %d bytes", i, n)
		}
	}
}

func TestAMalformedPageHoldsThePosition(t *testing.T) {
	for body, reason := range map[string]string{`["1", "2"`: "malformed_page", `["1", 5]`: "malformed_page", `["1`: "malformed_page",
		"[\"1\"]\n{\"error\": \"timed out\"}": "wrong_shape"} {
		b := newBench()
		b.s.Source = sourceFunc(func() (*engine.Page, error) { return &engine.Page{Records: []byte(body)}, nil })
		if rep := b.run(t, engine.Failed); rep.Reason != reason {
			t.Errorf("%s: %+v", body, rep)
		}
		if c := b.checkpoint(t); !c.Position.Equal(noon.Add(-time.Hour)) || len(c.Seen) != 0 {
			t.Errorf("%s: checkpoint %+v", body, c)
		}
	}
}

type sourceFunc func() (*engine.Page, error)

func (f sourceFunc) Fetch(context.Context, engine.Window, string) (*engine.Page, error) { return f() }

func TestOldTimesAreMovedVisibly(t *testing.T) {
	b := newBench([]string{"old@2026-11-19T00:00:00Z", "new@2026-11-22T11:00:00Z", "far@2026-11-24T00:00:00Z"})
	b.run(t, engine.OK)
	var got []string
	for _, r := range b.sink.Rows() {
		var row struct{ TimeGenerated, EventTime string }
		_ = json.Unmarshal(r, &row)
		got = append(got, row.TimeGenerated+" "+row.EventTime)
	}
	want := []string{"2026-11-22T12:00:00Z 2026-11-19T00:00:00Z", "2026-11-22T11:00:00Z ", "2026-11-22T12:00:00Z 2026-11-24T00:00:00Z"}
	if !slices.Equal(got, want) {
		t.Errorf("times %v, want %v", got, want)
	}
}

// TestPagesThatGoInACircleEndTheRun: two pages that name each other.
func TestPagesThatGoInACircleEndTheRun(t *testing.T) {
	b := newBench()
	calls := 0
	b.s.Source = sourceFunc(func() (*engine.Page, error) {
		calls++
		return &engine.Page{Records: fmt.Appendf(nil, `["%d"]`, calls), Next: fmt.Sprint("page", calls%3)}, nil
	})
	if rep := b.run(t, engine.Failed); rep.Reason != "paging_loop" || calls != 4 {
		t.Errorf("report %+v after %d requests", rep, calls)
	}
}

// TestAWindowWithMorePagesThanTheProviderListsIsListedInParts, and one that cannot
// be cut is an error that says so.
func TestAWindowWithMorePagesThanTheProviderListsIsListedInParts(t *testing.T) {
	for _, ascending := range []bool{true, false} {
		b := newBench()
		b.s.Position.Ascending, b.s.Position.Overlap, b.s.MaxPages = ascending, 0, 2
		list := testkit.NewTimeline(b.s.Start, noon, time.Minute)
		b.s.Source = list
		b.run(t, engine.OK)
		b.wantIDs(t, list.IDs(noon)...)
	}
	b := newBench()
	b.s.MaxPages = 2
	b.s.Position.Granularity = 2 * time.Hour
	b.s.Start = noon.Add(-2 * time.Hour)
	b.s.Source = testkit.NewTimeline(b.s.Start, noon, time.Minute)
	if rep := b.run(t, engine.Failed); rep.Reason != "page_limit" || !strings.Contains(rep.Message, "lists 2 pages of a window") {
		t.Errorf("report %+v", rep)
	}
}

// TestThePartsOfAPageAreOnePage of those that the provider lists.
func TestThePartsOfAPageAreOnePage(t *testing.T) {
	b := newBench()
	b.s.MaxPages = 2
	calls := 0
	b.s.Source = sourceFunc(func() (*engine.Page, error) {
		calls++
		page := &engine.Page{Records: fmt.Appendf(nil, `["%d"]`, calls), Next: fmt.Sprint("page", calls), Part: true}
		if calls == 20 {
			page.Next, page.Part = "", false
		}
		return page, nil
	})
	if b.run(t, engine.OK); calls != 20 {
		t.Errorf("%d requests", calls)
	}
}

// TestAWindowThatOutlivesItsTokensIsCut: a provider forgets the page token before
// a whole window can be listed; in parts it can.
func TestAWindowThatOutlivesItsTokensIsCut(t *testing.T) {
	b := newBench()
	list := testkit.NewTimeline(b.s.Start, noon, time.Minute) // six pages of ten
	b.s.Source = &forgetful{Timeline: list}
	runs := 0
	for ; b.Run(t.Context(), b.s, 10*time.Minute).Outcome != engine.OK; runs++ {
		if runs > 10 {
			t.Fatalf("after %d runs it is at %+v", runs, b.checkpoint(t))
		}
	}
	b.wantIDs(t, list.IDs(noon)...)
	if c := b.checkpoint(t); !c.Position.Equal(noon) || c.Totals.Fetched != 60 {
		t.Errorf("checkpoint %+v", c)
	}
}

// forgetful serves three pages of a listing and then forgets it.
type forgetful struct {
	*testkit.Timeline
	pages int
}

func (f *forgetful) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	if token == "" {
		f.pages = 0
	}
	if f.pages++; f.pages > 3 {
		return nil, engine.ErrTokenExpired
	}
	return f.Timeline.Fetch(ctx, w, token)
}

// wantSorted compares the rows' ids in any order; of an id that ends in @ the
// version does not count.
func (b *bench) wantSorted(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, r := range b.sink.Rows() {
		var row struct{ EventUid string }
		if err := json.Unmarshal(r, &row); err != nil {
			t.Fatal(err)
		}
		id, _, _ := strings.Cut(row.EventUid, "@")
		got = append(got, id+"@")
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("rows of %v, want %v", got, want)
	}
}
