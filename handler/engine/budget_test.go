package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// slow is a source and a sink whose calls take time, as far as their context allows.
type slow struct {
	engine.Source
	engine.Sink
	fetch, upload time.Duration
}

func (s *slow) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	if err := (engine.SystemClock{}).Sleep(ctx, s.fetch); err != nil {
		return nil, err
	}
	return s.Source.Fetch(ctx, w, token)
}

func (s *slow) Upload(ctx context.Context, b engine.Batch) error {
	if err := (engine.SystemClock{}).Sleep(ctx, s.upload); err != nil {
		return &engine.Error{Kind: engine.Transient, Op: "send", Err: err}
	}
	return s.Sink.Upload(ctx, b)
}

// slowBench is a bench in the time of a bubble.
func slowBench(fetch, upload time.Duration) *bench {
	b := newBench([]string{"a"}, []string{"b"})
	s := &slow{b.src, b.sink, fetch, upload}
	b.Engine.Clock, b.Engine.Sink, b.s.Source = engine.SystemClock{}, s, s
	b.s.Start = time.Now().Add(-time.Hour)
	return b
}

func TestTheLeaseIsRenewedWhileACallIsOut(t *testing.T) {
	for what, c := range map[string]struct{ fetch, upload time.Duration }{
		"a page": {10 * time.Minute, 0}, "an upload": {0, 10 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := slowBench(c.fetch, c.upload)
			first := make(chan engine.Report)
			go func() { first <- b.Run(t.Context(), b.s, time.Hour) }()
			other := slowBench(0, 0)
			other.Engine.Store, other.Engine.Holder = b.store, "other"
			for range 9 {
				time.Sleep(time.Minute)
				if rep := other.Run(t.Context(), other.s, time.Minute); rep.Outcome != engine.Skipped {
					t.Fatalf("while %s was out another run was %s (%s)", what, rep.Outcome, rep.Message)
				}
			}
			if rep := <-first; rep.Outcome != engine.OK {
				t.Errorf("%s: %s (%s)", what, rep.Outcome, rep.Message)
			}
			b.wantIDs(t, "a", "b")
		})
	}
}

// TestALostLeaseEndsTheCall: what it would bring is another's.
func TestALostLeaseEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := slowBench(10*time.Minute, 0)
		first := make(chan engine.Report)
		began := time.Now()
		go func() { first <- b.Run(t.Context(), b.s, time.Hour) }()
		time.Sleep(time.Minute)
		other := slowBench(0, 0)
		other.Engine.Store, other.Engine.Holder = b.store, "other"
		other.Engine.Alive = func(string) bool { return false }
		if rep := other.Run(t.Context(), other.s, time.Minute); rep.Outcome != engine.OK {
			t.Fatalf("the other run is %s (%s)", rep.Outcome, rep.Message)
		}
		rep := <-first
		if rep.Reason != "lease_lost" || time.Since(began) > 2*time.Minute {
			t.Errorf("after %s: %s (%s)", time.Since(began), rep.Outcome, rep.Reason)
		}
	})
}

// stuck is a store that answers no more once it is on.
type stuck struct {
	engine.Store
	on bool
}

func (s *stuck) Append(ctx context.Context, name string, after int64, data []byte) error {
	if s.on {
		<-ctx.Done()
		return ctx.Err()
	}
	s.on = true
	return s.Store.Append(ctx, name, after, data)
}

func (s *stuck) Put(ctx context.Context, name string, data []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestARunEndsHalfAMinuteAfterItsTimeIsUp(t *testing.T) {
	for what, c := range map[string]struct {
		fetch, upload time.Duration
		stuck         bool
	}{
		"a provider that hangs":     {fetch: time.Hour},
		"a workspace that hangs":    {upload: time.Hour},
		"a store that hangs":        {fetch: time.Minute, stuck: true},
		"a store and a provider do": {fetch: time.Hour, stuck: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := slowBench(c.fetch, c.upload)
			if c.stuck {
				b.Engine.Store = &stuck{Store: b.store}
			}
			began := time.Now()
			rep := b.Run(t.Context(), b.s, 5*time.Second)
			if took := time.Since(began); took > 35*time.Second {
				t.Errorf("%s: the run took %s", what, took)
			}
			if rep.Outcome == engine.OK || !rep.Position.Equal(b.s.Start) {
				t.Errorf("%s: %s (%s), position %s", what, rep.Outcome, rep.Message, rep.Position)
			}
			if waits := strings.Contains(rep.Message, "waited 20s"); waits != (c.fetch > 0) {
				t.Errorf("%s: %s", what, rep.Message)
			}
			if errors.Is(rep.Err, context.Canceled) {
				t.Errorf("%s: %v", what, rep.Err)
			}
		})
	}
}
