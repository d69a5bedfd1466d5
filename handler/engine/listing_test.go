package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

func refusal(kind engine.Kind) error {
	return &engine.Error{Kind: kind, Op: "list", Reason: "refused"}
}

// TestAPageTokenThatIsRefusedForGoodIsNoEnd, with whatever answer: the window is
// listed anew, and what is known is not sent again. What may pass by itself has to
// come in a second run.
func TestAPageTokenThatIsRefusedForGoodIsNoEnd(t *testing.T) {
	for kind, runs := range map[engine.Kind]int{engine.Permanent: 1, engine.Auth: 2, engine.Transient: 2} {
		b, a := archiveBench(engine.Position{Granularity: time.Second, Ascending: true, Overlap: time.Minute})
		for n := range 9 {
			at := noon.Add(-time.Hour).Add(time.Duration(n) * time.Minute)
			a.list = append(a.list, newFiled(n, at, at, at))
		}
		dead := ""
		a.fails = func(token string) error {
			if dead == "" && strings.Contains(token, "005@") {
				dead = token
			}
			if token != "" && token == dead {
				return refusal(kind)
			}
			return nil
		}
		a.renews = true
		n := 1
		for ; b.Run(t.Context(), b.s, time.Minute).Outcome != engine.OK; n++ {
			if n > 5 {
				t.Fatalf("%s: it is stuck at %+v", kind, b.checkpoint(t).Window)
			}
		}
		if ids := b.sink.IDs(); n != runs || len(ids) != 9 {
			t.Errorf("%s: after %d runs there are %v", kind, n, ids)
		}
	}
}

// TestAnOutageForgetsNoPageToken: the beginning of the window cannot be had either.
func TestAnOutageForgetsNoPageToken(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Permanent, engine.Auth, engine.Transient} {
		b := newBench([]string{"1"}, []string{"2"})
		down := false
		b.src.Fail = func(page, _ int) error {
			if down = down || page == 1; down {
				return refusal(kind)
			}
			return nil
		}
		for range 4 {
			b.run(t, engine.Failed)
		}
		if w := b.checkpoint(t).Window; w == nil || w.Token != "1" || w.Restarts > 0 {
			t.Errorf("%s: %+v", kind, w)
		}
		b.src.Fail = nil
		b.run(t, engine.OK)
		b.wantIDs(t, "1", "2")
	}
}

// TestACursorThatIsRefusedIsFoundByTime, when it is refused again and again.
func TestACursorThatIsRefusedIsFoundByTime(t *testing.T) {
	b, f := cursorBench(engine.Cursor, "a", "b", "c")
	b.run(t, engine.OK)
	f.ids = append(f.ids, "d")
	f.fail = func(token string) error {
		if token == "3" {
			return refusal(engine.Transient)
		}
		return nil
	}
	f.size = 4
	b.clock.Advance(time.Minute)
	b.run(t, engine.Failed)
	b.run(t, engine.OK)
	b.wantIDs(t, "a", "b", "c", "d")
}

// TestPagesThatComeAgainEndTheRun: the provider does not look at the token, or leads
// in a circle of ever new ones. What they have is delivered.
func TestPagesThatComeAgainEndTheRun(t *testing.T) {
	for circle, most := range map[int]int{1: 3, 2: 8, 3: 12} {
		b := newBench()
		calls := 0
		b.s.Source = sourceFunc(func() (*engine.Page, error) {
			calls++
			n := calls % circle
			return &engine.Page{Records: fmt.Appendf(nil, `["a%d", "b%d"]`, n, n), Next: fmt.Sprint("page", calls)}, nil
		})
		rep := b.run(t, engine.Failed)
		if rep.Reason != "same_page_again" || calls > most || len(b.sink.IDs()) != 2*circle {
			t.Errorf("a circle of %d: %s (%s) after %d requests, %d rows", circle, rep.Reason, rep.Message, calls, len(b.sink.IDs()))
		}
	}
}

// TestPagesThatAreKnownFromBeforeAreNoCircle: the overlap, a window that is listed
// anew, records that stand in two pages.
func TestPagesThatAreKnownFromBeforeAreNoCircle(t *testing.T) {
	b := newBench([]string{"1", "2"}, []string{"2", "3"}, []string{"3", "2"}, []string{"1", "2"}, []string{"4"})
	b.run(t, engine.OK)
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "3", "4")
}

// TestEmptyPagesWithoutEndAreAnError, and the next run goes on where they are.
func TestEmptyPagesWithoutEndAreAnError(t *testing.T) {
	b := newBench()
	calls := 0
	b.s.Source = sourceFunc(func() (*engine.Page, error) {
		calls++
		if calls == 1500 {
			return &engine.Page{Records: []byte(`["1"]`)}, nil
		}
		return &engine.Page{Records: []byte("[]"), Next: fmt.Sprint("page", calls)}, nil
	})
	if rep := b.run(t, engine.Failed); rep.Reason != "empty_pages" || calls != 1000 {
		t.Errorf("%+v after %d requests", rep, calls)
	}
	b.run(t, engine.OK)
	b.wantIDs(t, "1")
}

// TestRunsThatBringNothingNewTurnRed, though each has pages to show.
func TestRunsThatBringNothingNewTurnRed(t *testing.T) {
	b := newBench()
	b.s.Position.Indirect = true
	calls := 0
	b.s.Source = sourceFunc(func() (*engine.Page, error) {
		calls++
		b.clock.Advance(10 * time.Second)
		return &engine.Page{Records: []byte(`["1"]`), Next: fmt.Sprint("page", calls)}, nil
	})
	b.run(t, engine.Partial)
	b.run(t, engine.Partial)
	b.run(t, engine.Partial)
	if rep := b.run(t, engine.Stalled); rep.Reason != "no_progress" || rep.Pages == 0 {
		t.Errorf("%+v", rep)
	}
}

// TestAProviderThatIsFasterThanItsCollectionTurnsRed; one that is not does not,
// however long it takes.
func TestAProviderThatIsFasterThanItsCollectionTurnsRed(t *testing.T) {
	for step, want := range map[time.Duration]engine.Outcome{time.Second: engine.Stalled, 10 * time.Minute: engine.Partial} {
		b, at := newBench(), noon.Add(-6*24*time.Hour)
		b.s.Position = engine.Position{Kind: engine.Cursor, Granularity: time.Second, Overlap: time.Hour}
		b.s.Start = noon.Add(-7 * 24 * time.Hour)
		b.s.Source = sourceFunc(func() (*engine.Page, error) {
			at = at.Add(step)
			b.clock.Advance(10 * time.Second)
			text := at.Format(time.RFC3339)
			return &engine.Page{Records: fmt.Appendf(nil, `["%s@%s"]`, text, text), Next: text, Cursor: text}, nil
		})
		for range 3 {
			b.Run(t.Context(), b.s, time.Minute)
		}
		if rep := b.run(t, want); want == engine.Stalled && rep.Reason != "falling_behind" {
			t.Errorf("%+v", rep)
		}
	}
}

// TestAPageThatCannotBeHadHoldsUpWhatComesAfterIt: the window is cut until all before
// the page has arrived, and is not listed anew for ever.
func TestAPageThatCannotBeHadHoldsUpWhatComesAfterIt(t *testing.T) {
	b := newBench()
	list := testkit.NewTimeline(b.s.Start, noon, time.Minute)
	src := &broken{Timeline: list}
	b.s.Source = src
	for range 20 {
		b.Run(t.Context(), b.s, time.Minute)
	}
	c, ids := b.checkpoint(t), b.sink.IDs()
	if c.Window != nil && c.Window.Restarts > 8 || len(ids) < 20 || c.Position.After(noon.Add(-30*time.Minute)) {
		t.Errorf("%+v after %d rows", c.Window, len(ids))
	}
	calls := src.calls
	b.run(t, engine.Failed)
	if src.calls > calls+2 {
		t.Errorf("the last run made %d requests", src.calls-calls)
	}
}

// broken has a record whose page cannot be had.
type broken struct {
	*testkit.Timeline
	calls int
}

func (f *broken) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	f.calls++
	page, err := f.Timeline.Fetch(ctx, w, token)
	if err == nil && strings.Contains(string(page.Records), "T11:30") {
		return nil, refusal(engine.Permanent)
	}
	return page, err
}
