package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// feed lists ids in the order in which they came; a page token, and the cursor, is
// how many there were.
type feed struct {
	ids   []string
	asked []string
	fail  func(token string) error
	size  int
	whole bool // there is no cursor
}

func (f *feed) Fetch(_ context.Context, w engine.Window, token string) (*engine.Page, error) {
	f.asked = append(f.asked, token)
	if f.fail != nil {
		if err := f.fail(token); err != nil {
			return nil, err
		}
	}
	n := 0
	if token != "" {
		_, _ = fmt.Sscan(token, &n)
	}
	end := min(n+max(f.size, 2), len(f.ids))
	text := "["
	for i, id := range f.ids[n:end] {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf("%q", id)
	}
	p := &engine.Page{Records: []byte(text + "]"), Cursor: fmt.Sprint(end), Commit: true}
	if f.whole {
		p.Cursor = ""
	}
	if end < len(f.ids) {
		p.Next = fmt.Sprint(end)
	}
	return p, nil
}

// cursorBench is an engine whose stream goes by cursor.
func cursorBench(kind engine.PositionKind, ids ...string) (*bench, *feed) {
	b, f := newBench(), &feed{ids: ids, whole: kind == engine.Snapshot}
	b.s.Source = f
	b.s.Position = engine.Position{Kind: kind, Granularity: time.Second, Overlap: 10 * time.Minute}
	return b, f
}

func TestACursorGoesOnWhereItWas(t *testing.T) {
	b, f := cursorBench(engine.Cursor, "a", "b", "c")
	b.run(t, engine.OK)
	b.wantIDs(t, "a", "b", "c")
	f.ids = append(f.ids, "d")
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK)
	b.wantIDs(t, "a", "b", "c", "d")
	if got := fmt.Sprint(f.asked); got != "[ 2 3]" {
		t.Errorf("asked for %s", got)
	}
	if c := b.checkpoint(t); c.Cursor != "4" || !c.Position.Equal(noon.Add(time.Minute)) {
		t.Errorf("cursor %q, position %s", c.Cursor, c.Position)
	}
}

// TestALostCursorIsFoundByTime: the listing begins anew, and what is known is skipped.
func TestALostCursorIsFoundByTime(t *testing.T) {
	b, f := cursorBench(engine.Cursor, "a", "b", "c")
	b.run(t, engine.OK)
	f.ids = append(f.ids, "d")
	f.fail = func(token string) error {
		if token == "3" {
			return engine.ErrTokenExpired
		}
		return nil
	}
	b.clock.Advance(time.Minute)
	f.size = 4
	b.run(t, engine.OK)
	b.wantIDs(t, "a", "b", "c", "d")
}

// TestAMovingProviderIsBegunAnewInDoubt, and only then: after an error by which a page
// may have been sent, after a crash; not after an answer that says to wait.
func TestAMovingProviderIsBegunAnewInDoubt(t *testing.T) {
	for _, x := range []struct {
		what string
		err  error
		dies bool
		keep bool
	}{
		{"a connection that breaks", &engine.Error{Kind: engine.Transient, Reason: "unreachable"}, false, false},
		{"an answer that is too large", &engine.Error{Kind: engine.Permanent, Reason: "page_too_large"}, false, false},
		{"throttled", &engine.Error{Kind: engine.Throttled, Reason: "throttled", Wait: time.Hour}, false, true},
		{"wrong credentials", &engine.Error{Kind: engine.Auth, Reason: "wrong_credentials"}, false, true},
		{"a crash", nil, true, false},
	} {
		b, f := cursorBench(engine.Cursor, "a", "b", "c")
		b.s.Position.Moving = true
		b.run(t, engine.OK)
		f.ids, f.asked = append(f.ids, "d", "e", "f"), nil
		f.fail = func(token string) error {
			if token == "5" && x.dies {
				panic("dead")
			}
			if token == "5" {
				return x.err
			}
			return nil
		}
		b.clock.Advance(time.Minute)
		func() {
			defer func() { _ = recover() }()
			b.Run(t.Context(), b.s, time.Minute)
		}()
		b.Alive = func(string) bool { return false }
		f.fail, f.asked = nil, nil
		b.clock.Advance(time.Hour)
		b.run(t, engine.OK)
		b.wantIDs(t, "a", "b", "c", "d", "e", "f")
		if kept := f.asked[0] == "5"; kept != x.keep {
			t.Errorf("%s: the next run asked for %q", x.what, f.asked)
		}
	}
}

// TestASnapshotSendsWhatIsNewOrHasChanged, and forgets what is gone.
func TestASnapshotSendsWhatIsNewOrHasChanged(t *testing.T) {
	b, f := cursorBench(engine.Snapshot, "a", "b", "c")
	b.s.Position.Overlap, b.s.Position.Every = 0, time.Hour
	list := func(ids ...string) {
		f.ids = ids
		b.clock.Advance(time.Hour)
		b.run(t, engine.OK)
	}
	b.run(t, engine.OK)
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK) // too early
	list("a", "b", "d")
	list("a", "b", "d")
	list("c", "a", "d") // c is there again
	b.wantSorted(t, "a@", "b@", "c@", "c@", "d@")
	if c := b.checkpoint(t); len(c.Seen) != 3 {
		t.Errorf("%d ids are known, want those of the last list", len(c.Seen))
	}
}

// TestARowCutShortDoesNotSpoilItsBatch: the rows before it are whole.
func TestARowCutShortDoesNotSpoilItsBatch(t *testing.T) {
	b := newBench([]string{"a"}, []string{"b"})
	b.s.Mapper = halfway{b.s.Mapper}
	if rep := b.Run(t.Context(), b.s, time.Minute); rep.Reason != "malformed_page" || rep.Counts.Quarantined > 0 || rep.Counts.Acknowledged != 1 {
		t.Errorf("%s (%s), %+v", rep.Outcome, rep.Reason, rep.Counts)
	}
	b.wantIDs(t, "a")
}

// halfway is a mapper that has read something when it finds that a record is cut.
type halfway struct{ engine.Mapper }

func (m halfway) Map(src []byte) (int, error) {
	n, err := m.Mapper.Map(src)
	if err == nil && string(m.ID()) == "b" {
		return 0, errors.New("unexpected end")
	}
	return n, err
}
