package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// steady is a source whose pages take a second and can be asked for ahead.
type steady struct {
	*slow
	out   int // calls that are not over
	asked []string
	no    bool // they cannot
	fail  func(call int) error
}

func (s *steady) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	if s.out++; s.out > 1 {
		panic("two calls at a time")
	}
	defer func() { s.out-- }()
	s.asked = append(s.asked, token)
	n := len(s.asked)
	page, err := s.slow.Fetch(ctx, w, token)
	if s.fail != nil && err == nil {
		err = s.fail(n)
	}
	if err != nil {
		return nil, err
	}
	page.Steady = !s.no
	return page, nil
}

// slowMapper takes a second for each record.
type slowMapper struct{ testkit.LineMapper }

func (m *slowMapper) Map(src []byte) (int, error) {
	time.Sleep(time.Second)
	return m.LineMapper.Map(src)
}

// steadyBench has so many pages of one record.
func steadyBench(pages int) (*bench, *steady, []string) {
	b := slowBench(time.Second, 0)
	var ids []string
	b.src.Pages = nil
	for i := range pages {
		ids = append(ids, fmt.Sprint("r", i))
		b.src.Pages = append(b.src.Pages, ids[i:])
		b.src.Pages[i] = b.src.Pages[i][:1]
	}
	s := &steady{slow: b.s.Source.(*slow)}
	b.s.Source, b.s.Mapper = s, &slowMapper{}
	return b, s, ids
}

// TestAPageIsAskedForWhileTheOneBeforeIsDealtWith, unless the source forbids it.
func TestAPageIsAskedForWhileTheOneBeforeIsDealtWith(t *testing.T) {
	for _, no := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, s, ids := steadyBench(20)
			s.no = no
			began := time.Now()
			if rep := b.Run(t.Context(), b.s, time.Hour); rep.Outcome != engine.OK || rep.Pages != 20 {
				t.Fatalf("%s (%s), %d pages", rep.Outcome, rep.Message, rep.Pages)
			}
			b.wantIDs(t, ids...)
			want := 21 * time.Second // the first page, and then what takes longer
			if no {
				want = 40 * time.Second
			}
			if took := time.Since(began); took != want {
				t.Errorf("forbidden %v: it took %s, want %s", no, took, want)
			}
			if len(s.asked) != 20 {
				t.Errorf("asked for %q", s.asked)
			}
		})
	}
}

// TestWhatWasAskedForAheadFailsInItsTurn: the page before is delivered, and the error is
// dealt with as ever.
func TestWhatWasAskedForAheadFailsInItsTurn(t *testing.T) {
	for what, c := range map[string]struct {
		err   error
		asked []string
		ids   int
	}{
		"passing":   {&engine.Error{Kind: engine.Transient, Op: "list", Err: errors.New("reset")}, []string{"", "1", "1", "2"}, 3},
		"throttled": {&engine.Error{Kind: engine.Throttled, Op: "list", Wait: time.Minute, Err: errors.New("slowly")}, []string{"", "1", "1", "2"}, 3},
		"expired":   {engine.ErrTokenExpired, []string{"", "1", "", "1", "2"}, 3},
		"for good":  {&engine.Error{Kind: engine.Auth, Op: "list", Reason: "wrong_credentials"}, []string{"", "1"}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, s, ids := steadyBench(3)
			s.fail = func(call int) error {
				if call == 2 {
					return c.err
				}
				return nil
			}
			rep := b.Run(t.Context(), b.s, time.Hour)
			b.wantIDs(t, ids[:c.ids]...)
			if !slices.Equal(s.asked, c.asked) {
				t.Errorf("%s: asked for %q, want %q (%s)", what, s.asked, c.asked, rep.Message)
			}
			if failed := c.ids < 3; failed != (rep.Outcome == engine.Failed) {
				t.Errorf("%s: %s (%s)", what, rep.Outcome, rep.Reason)
			}
		})
	}
}

// TestWhatWasAskedForAheadEndsWithTheRun: a page that cannot be read ends the run, and
// the call for the next one with it, which counts for nothing.
func TestWhatWasAskedForAheadEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, ids := steadyBench(3)
		b.src.Pages[1] = []string{"r1\", nonsense"}
		s.fetch = 10 * time.Second
		rep := b.Run(t.Context(), b.s, time.Hour)
		if rep.Outcome != engine.Failed || s.out != 0 {
			t.Errorf("%s (%s), %d calls are out", rep.Outcome, rep.Message, s.out)
		}
		b.wantIDs(t, ids[0])
		if c := b.checkpoint(t); c.Window == nil || c.Window.Token != "1" {
			t.Errorf("checkpoint %+v", c)
		}
	})
}

// TestASourceThatPanicsAheadDoesSoInTheRun, where it can be told from others.
func TestASourceThatPanicsAheadDoesSoInTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, _ := steadyBench(3)
		s.fail = func(call int) error {
			if call == 2 {
				panic("of the source")
			}
			return nil
		}
		defer func() {
			if v := fmt.Sprint(recover()); !strings.Contains(v, "of the source") || !strings.Contains(v, "ahead_test.go") {
				t.Errorf("recovered %s", v)
			}
		}()
		b.Run(t.Context(), b.s, time.Hour)
	})
}

// TestNoTimeNoCallAhead: the page that time is too short for is not asked for.
func TestNoTimeNoCallAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, ids := steadyBench(10)
		s.fetch = 10 * time.Second
		rep := b.Run(t.Context(), b.s, 15*time.Second)
		if rep.Outcome == engine.Failed || len(s.asked) != int(rep.Pages) {
			t.Errorf("%s: %d pages of %d that were asked for", rep.Outcome, rep.Pages, len(s.asked))
		}
		b.wantIDs(t, ids[:rep.Pages]...)
	})
}
