package engine_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// nameless is a mapper of records that have no id.
type nameless struct{ testkit.LineMapper }

func (*nameless) ID() []byte { return nil }

func (b *bench) uids(t *testing.T) (list []string) {
	t.Helper()
	for _, row := range b.sink.Rows() {
		var r struct{ EventUid string }
		if err := json.Unmarshal(row, &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r.EventUid)
	}
	return list
}

// TestSameLinesOfOnePageAreDifferentEvents, and are the same ones when the page comes
// again.
func TestSameLinesOfOnePageAreDifferentEvents(t *testing.T) {
	b := newBench([]string{"x", "y", "x", "x"})
	b.s.Mapper = &nameless{}
	b.run(t, engine.OK)
	b.clock.Advance(time.Minute)
	rep := b.run(t, engine.OK)
	uids := b.uids(t)
	slices.Sort(uids)
	if len(slices.Compact(uids)) != 4 || len(b.sink.IDs()) != 4 || rep.Counts.Repeated != 4 {
		t.Errorf("rows %v, EventUids %v, then %+v", b.sink.IDs(), uids, rep.Counts)
	}
}

// TestSameLinesInQuarantineAreReplayedUnderTheirNames.
func TestSameLinesInQuarantineAreReplayedUnderTheirNames(t *testing.T) {
	b := newBench([]string{"x", "x"})
	b.s.Mapper = &nameless{}
	whole := b.BatchBytes
	b.BatchBytes = 10
	b.run(t, engine.OK)
	b.BatchBytes = whole
	var kept []*engine.Quarantined
	if err := b.Quarantine(t.Context(), "c/s", func(q *engine.Quarantined) error { kept = append(kept, q); return nil }); err != nil || len(kept) != 2 {
		t.Fatalf("%d in quarantine, %v", len(kept), err)
	}
	for _, q := range kept {
		if err := b.Replay(t.Context(), b.s, q); err != nil {
			t.Fatal(err)
		}
	}
	for i, uid := range b.uids(t) {
		if !strings.HasSuffix(kept[i].ID, "/"+uid) {
			t.Errorf("%s was replayed as %s", kept[i].ID, uid)
		}
	}
}

// TestStreamsOfOneTableHaveEventsOfTheirOwn, in all lanes alike; what is remembered
// of them is as it was.
func TestStreamsOfOneTableHaveEventsOfTheirOwn(t *testing.T) {
	b := newBench([]string{"1"})
	b.run(t, engine.OK)
	b.s.Shared = true
	b.clock.Advance(time.Minute)
	if rep := b.run(t, engine.OK); rep.Counts.Repeated != 1 {
		t.Errorf("%+v", rep.Counts)
	}
	b.Run(t.Context(), b.lane(noon.Add(-time.Hour), noon), time.Minute)
	if got := b.uids(t); !slices.Equal(got, []string{"1", "s/1"}) {
		t.Errorf("EventUids %v", got)
	}
}

// TestAPageTokenIsGoodForTheRequestsItWasMadeWith: a window in progress is listed
// anew when the stream asks in another way, and what is known is not sent again.
func TestAPageTokenIsGoodForTheRequestsItWasMadeWith(t *testing.T) {
	for _, x := range []struct{ before, after, pages string }{
		{"a", "a", "2"}, {"a", "b", "012"}, {"", "b", "2"}, {"a", "", "2"},
	} {
		b := newBench([]string{"1"}, []string{"2"}, []string{"3"})
		b.s.Asks = x.before
		b.src.Fail = func(page, _ int) error {
			if page == 2 {
				return &engine.Error{Kind: engine.Throttled, Op: "list", Wait: time.Hour}
			}
			return nil
		}
		b.run(t, engine.Partial)
		pages := ""
		b.src.Fail, b.src.Before = nil, func(page int) { pages += string(rune('0' + page)) }
		b.s.Asks = x.after
		b.run(t, engine.OK)
		b.wantIDs(t, "1", "2", "3")
		if pages != x.pages {
			t.Errorf("%q, then %q: asked for the pages %s, want %s", x.before, x.after, pages, x.pages)
		}
	}
}
