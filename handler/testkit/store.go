package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// StoreSuite is what every store has to do. open returns the same store each
// time it is called, as another process would open it; damage overwrites a
// generation of a document behind its back, or deletes it for nil.
func StoreSuite(t *testing.T, open func(t *testing.T) engine.Store, damage func(t *testing.T, name string, newest int64, data []byte)) {
	ctx := t.Context()
	t.Run("generations", func(t *testing.T) {
		s := open(t)
		if gens, err := s.Generations(ctx, "doc/a"); err != nil || len(gens) != 0 {
			t.Fatalf("a document that does not exist has %d generations, %v", len(gens), err)
		}
		for i := range 7 {
			if err := s.Append(ctx, "doc/a", int64(i), fmt.Appendf(nil, "v%d", i+1)); err != nil {
				t.Fatalf("generation %d: %v", i+1, err)
			}
		}
		gens, err := open(t).Generations(ctx, "doc/a")
		if err != nil || len(gens) != engine.KeptGenerations {
			t.Fatalf("%d generations, %v", len(gens), err)
		}
		for i, g := range gens {
			if want := fmt.Sprintf("v%d", 7-i); g.Number != int64(7-i) || string(g.Data) != want {
				t.Errorf("generation %d holds %q, want %q", g.Number, g.Data, want)
			}
		}
	})
	t.Run("conditional writes", func(t *testing.T) {
		fresh, stale := open(t), open(t)
		for i := range 3 {
			must(t, fresh.Append(ctx, "doc/b", int64(i), []byte("x")))
		}
		if _, err := stale.Generations(ctx, "doc/b"); err != nil {
			t.Fatal(err)
		}
		must(t, fresh.Append(ctx, "doc/b", 3, []byte("winner")))
		for i := int64(0); i < 9; i++ { // however many writes the other missed
			if err := stale.Append(ctx, "doc/b", 3, []byte("loser")); !errors.Is(err, engine.ErrConflict) {
				t.Fatalf("a stale writer got %v after %d missed writes", err, i+1)
			}
			must(t, fresh.Append(ctx, "doc/b", 4+i, []byte("winner")))
		}
		if err := open(t).Append(ctx, "doc/b", 99, nil); !errors.Is(err, engine.ErrConflict) {
			t.Errorf("a write after a generation that does not exist: %v", err)
		}
		gens, err := fresh.Generations(ctx, "doc/b")
		if err != nil || string(gens[0].Data) != "winner" {
			t.Errorf("newest: %q, %v", gens[0].Data, err)
		}
	})
	t.Run("one of many writers wins", func(t *testing.T) {
		var wins atomic.Int32
		var wg sync.WaitGroup
		for i := range 6 {
			s := open(t)
			wg.Go(func() {
				switch err := s.Append(ctx, "doc/c", 0, fmt.Appendf(nil, "writer %d", i)); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, engine.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Errorf("%d writers won", wins.Load())
		}
	})
	if damage != nil { // nil: a store that only hands on to others
		t.Run("damage", func(t *testing.T) { damageSuite(t, open(t), damage) })
	}
	t.Run("leases", func(t *testing.T) { leaseSuite(t, open) })
	t.Run("objects", func(t *testing.T) { objectSuite(t, open(t)) })
}

func objectSuite(t *testing.T, s engine.Store) {
	ctx := t.Context()
	if _, err := s.Get(ctx, "o/none"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("get of nothing: %v", err)
	}
	if err := s.Delete(ctx, "o/none"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("delete of nothing: %v", err)
	}
	for _, n := range []string{"o/b/2", "o/a/1", "o/b/1"} {
		must(t, s.Put(ctx, n, []byte("old")))
		must(t, s.Put(ctx, n, []byte(n)))
	}
	var names []string
	for n, err := range s.List(ctx, "o/b") {
		must(t, err)
		names = append(names, n)
	}
	if !slices.Equal(names, []string{"o/b/1", "o/b/2"}) {
		t.Errorf("listed %v", names)
	}
	if got, err := s.Get(ctx, "o/b/2"); err != nil || string(got) != "o/b/2" {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, s.Delete(ctx, "o/b/2"))
	must(t, s.AddLine(ctx, "o/log", []byte("one")))
	must(t, s.AddLine(ctx, "o/log", []byte("two")))
	if got, err := s.Get(ctx, "o/log"); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("lines: %q, %v", got, err)
	}
	for range s.List(ctx, "empty/") {
		t.Error("an empty prefix lists something")
	}
}

// damageSuite: the newest valid generation is used, and none is no beginning.
func damageSuite(t *testing.T, s engine.Store, damage func(t *testing.T, name string, newest int64, data []byte)) {
	ctx := t.Context()
	name := "checkpoints/x/y"
	for i := range 3 {
		doc, err := engine.EncodeCheckpoint(&engine.Checkpoint{Fence: int64(i + 1)})
		must(t, err)
		must(t, s.Append(ctx, name, int64(i), doc))
	}
	good, err := engine.EncodeCheckpoint(&engine.Checkpoint{Fence: 9})
	must(t, err)
	flipped := bytes.Replace(good, []byte(`"fence":9`), []byte(`"fence":8`), 1)
	for what, data := range map[string][]byte{
		"empty": {}, "NUL-filled": make([]byte, 200), "truncated": good[:len(good)/2], "flipped": flipped,
		"of an older format": []byte(`{"format":0,"checkpoint":{"fence":9}}`), "another document": []byte(`["a list"]`), "no text": {0xff, 0xfe, 0x00},
	} {
		damage(t, name, 3, data)
		c, newest, recovered, err := engine.LoadCheckpoint(ctx, s, "x/y")
		if err != nil || c.Fence != 2 || newest != 3 || !recovered {
			t.Errorf("%s: checkpoint %+v, newest %d, recovered %v, %v", what, c, newest, recovered, err)
		}
	}
	damage(t, name, 3, []byte(`{"format":99,"sha256":"","checkpoint":{}}`))
	if _, _, _, err := engine.LoadCheckpoint(ctx, s, "x/y"); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a document of the future: %v", err)
	}
	damage(t, name, 3, nil)
	if c, newest, recovered, err := engine.LoadCheckpoint(ctx, s, "x/y"); err != nil || c.Fence != 2 || newest != 2 || recovered {
		t.Errorf("the newest deleted: checkpoint %+v, newest %d, recovered %v, %v", c, newest, recovered, err)
	}
	// Who knew the deleted one is refused, and who reads anew may write.
	if _, err := s.Generations(ctx, name); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, name, 3, good); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a write after a deleted generation: %v", err)
	}
	must(t, s.Append(ctx, name, 2, good))
	for n := int64(3); n > 0; n-- {
		damage(t, name, n, nil)
	}
	if c, newest, _, err := engine.LoadCheckpoint(ctx, s, "x/y"); err != nil || c != nil || newest != 0 {
		t.Errorf("all deleted: checkpoint %+v, newest %d, %v", c, newest, err)
	}
	for i := range 5 {
		must(t, s.Append(ctx, "checkpoints/x/bad", int64(i), []byte("no checkpoint")))
	}
	if c, _, _, err := engine.LoadCheckpoint(ctx, s, "x/bad"); err == nil || !strings.Contains(err.Error(), "none of its 5 generations is valid") {
		t.Errorf("with nothing valid it began with %+v, %v", c, err)
	}
}

// leaseSuite: one holder at a time, and a holder that was frozen is refused.
func leaseSuite(t *testing.T, open func(t *testing.T) engine.Store) {
	clock := memory.NewClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	holder := func(name string) (*engine.Engine, *ListSource, *memory.Sink) {
		sink := memory.NewSink()
		e := sentinel.NewEngine(open(t), sink, slog.New(slog.DiscardHandler))
		e.Clock, e.Holder = clock, name
		return e, &ListSource{Pages: [][]string{{"1", "2"}, {"3"}, {"4"}, {"5"}, {"6"}}}, sink
	}
	stream := func(s engine.Source) *engine.Stream {
		return &engine.Stream{Connection: "lease", Name: "s", Tables: []engine.Table{{Name: "T_CL"}}, Source: s, Mapper: &LineMapper{}, Start: clock.Now().Add(-time.Hour)}
	}
	a, srcA, _ := holder("a")
	b, srcB, sinkB := holder("b")
	var second, third engine.Report
	srcA.Before = func(page int) {
		if page != 1 {
			return
		}
		second = b.Run(t.Context(), stream(srcB), time.Minute)
		clock.Advance(a.LeaseTTL + time.Second) // a is frozen this long
		third = b.Run(t.Context(), stream(srcB), time.Minute)
	}
	first := a.Run(t.Context(), stream(srcA), time.Hour)
	if second.Outcome != engine.Skipped || second.Reason != "lease_held" {
		t.Errorf("while a runs, b's run is %s (%s)", second.Outcome, second.Message)
	}
	if third.Outcome != engine.OK || len(sinkB.Rows()) != 6 {
		t.Errorf("after a's lease, b's run is %s (%s) with %d rows", third.Outcome, third.Message, len(sinkB.Rows()))
	}
	if first.Outcome != engine.Failed || first.Reason != "lease_lost" {
		t.Errorf("a woke up and its run is %s (%s)", first.Outcome, first.Message)
	}
	if len(srcA.Asked) > 3 {
		t.Errorf("a woke up, had lost its stream, and fetched %d pages all the same", len(srcA.Asked)-1)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
