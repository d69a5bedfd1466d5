package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

func TestRewindFetchesAgainAndForgetsIDs(t *testing.T) {
	b := newBench([]string{"1", "2"})
	b.run(t, engine.OK)
	back := noon.Add(-30 * time.Minute)
	c, err := b.Rewind(t.Context(), b.s.Key(), back)
	if err != nil || !c.From.Equal(noon) || !c.To.Equal(back) {
		t.Fatalf("change %+v, %v", c, err)
	}
	b.run(t, engine.OK)
	b.wantIDs(t, "1", "2", "1", "2")
	if asked := b.src.Asked[len(b.src.Asked)-1]; asked.From.After(back) || !asked.To.Equal(noon) {
		t.Errorf("asked for %v", asked)
	}
	st, err := b.State(t.Context(), b.s.Key())
	if err != nil || len(st.Changes) != 1 || st.Changes[0].Action != "rewind" || st.Changes[0].By != b.Holder || len(st.Generations) < 3 {
		t.Errorf("state %+v, %v", st, err)
	}
}

func TestRewindRefusesToSkipAndToDisturb(t *testing.T) {
	b := newBench([]string{"1"})
	if _, err := b.Rewind(t.Context(), b.s.Key(), noon); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	b.run(t, engine.OK)
	if _, err := b.Rewind(t.Context(), b.s.Key(), noon.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "would skip the records in between") {
		t.Errorf("forward: %v", err)
	}
	held := false
	b.src.Before = func(int) { // while a run holds the stream
		_, err := b.Rewind(context.Background(), b.s.Key(), noon.Add(-time.Hour))
		held = errors.Is(err, engine.ErrHeld)
	}
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK)
	if !held {
		t.Error("a running stream was rewound")
	}
	if st, _ := b.State(t.Context(), b.s.Key()); len(st.Changes) != 0 {
		t.Errorf("what was refused left %+v", st.Changes)
	}
}

// TestRewindFencesWhoSlept: a holder that was frozen while its lease ran out
// and the stream was rewound is refused when it wakes up.
func TestRewindFencesWhoSlept(t *testing.T) {
	b := newBench([]string{"1"}, []string{"2"})
	b.src.Before = func(page int) {
		if page == 1 {
			b.clock.Advance(b.LeaseTTL + time.Minute)
			if _, err := b.Rewind(context.Background(), b.s.Key(), noon.Add(-2*time.Hour)); err != nil {
				t.Error(err)
			}
		}
	}
	if rep := b.Run(t.Context(), b.s, time.Hour); rep.Outcome == engine.OK {
		t.Errorf("the frozen holder went on: %+v", rep)
	}
	if c := b.checkpoint(t); !c.Position.Equal(noon.Add(-2 * time.Hour)) {
		t.Errorf("position %v", c.Position)
	}
}

func TestImportPutsAnExportBack(t *testing.T) {
	b := newBench([]string{"1"})
	b.run(t, engine.OK)
	copied, err := b.Export(t.Context(), b.s.Key())
	if err != nil {
		t.Fatal(err)
	}
	fence := b.checkpoint(t).Fence
	b.clock.Advance(time.Hour)
	b.run(t, engine.OK)
	if _, err := b.Import(t.Context(), b.s.Key(), copied); err != nil {
		t.Fatal(err)
	}
	c := b.checkpoint(t)
	if !c.Position.Equal(noon) || c.Fence <= fence+1 || c.Lease != nil {
		t.Errorf("checkpoint %+v", c)
	}
	st, _ := b.State(t.Context(), b.s.Key())
	if len(st.Changes) != 2 || st.Changes[0].Action != "export" || st.Changes[1].Action != "import" {
		t.Errorf("audit %+v", st.Changes)
	}
}

// TestImportWhereNothingCanBeRead damages every generation in turn.
func TestImportWhereNothingCanBeRead(t *testing.T) {
	b := newBench([]string{"1"})
	b.run(t, engine.OK)
	copied, err := b.Export(t.Context(), b.s.Key())
	if err != nil {
		t.Fatal(err)
	}
	for range engine.KeptGenerations { // as many damaged ones as are kept
		gens, _ := b.store.Generations(t.Context(), "checkpoints/c/s")
		if err := b.store.Append(t.Context(), "checkpoints/c/s", gens[0].Number, []byte("\x00\x00")); err != nil {
			t.Fatal(err)
		}
	}
	if rep := b.Run(t.Context(), b.s, time.Minute); rep.Reason != "checkpoint_unreadable" {
		t.Fatalf("report %+v", rep)
	}
	st, err := b.State(t.Context(), b.s.Key())
	if err != nil || st.Checkpoint != nil || st.Generations[0].Problem == "" {
		t.Errorf("state %+v, %v", st, err)
	}
	if _, err := b.Import(t.Context(), b.s.Key(), copied); err != nil {
		t.Fatal(err)
	}
	b.run(t, engine.OK)
	if c := b.checkpoint(t); c.Position.Before(noon) {
		t.Errorf("position %v", c.Position)
	}
}

func TestImportRefuses(t *testing.T) {
	b := newBench([]string{"1"})
	b.run(t, engine.OK)
	good, err := b.Export(t.Context(), b.s.Key())
	if err != nil {
		t.Fatal(err)
	}
	for i := range good { // a bit of each byte
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if _, err := b.Import(t.Context(), b.s.Key(), bad); err == nil && !bytes.EqualFold(bad, good) { // JSON's names may have any case
			t.Fatalf("byte %d of %d was changed, and it was taken: %q", i, len(good), bad)
		}
	}
	for name, data := range map[string][]byte{"empty": nil, "cut short": good[:len(good)/2], "NUL": make([]byte, 100)} {
		if _, err := b.Import(t.Context(), b.s.Key(), data); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := b.Import(t.Context(), "c/other", good); err == nil || !strings.Contains(err.Error(), "is of c/s") {
		t.Errorf("another stream's: %v", err)
	}
	newer := newBench([]string{"1"})
	newer.run(t, engine.OK)
	newer.store.Damage("checkpoints/c/s", []byte(`{"format":99,"sha256":"","checkpoint":{}}`))
	if _, err := newer.Import(t.Context(), b.s.Key(), good); err == nil || !strings.Contains(err.Error(), "newer version of Sluice") {
		t.Errorf("over a newer one: %v", err)
	}
	if _, err := b.Rewind(t.Context(), b.s.Key(), noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Import(t.Context(), b.s.Key(), good); err == nil || !strings.Contains(err.Error(), "would be skipped") {
		t.Errorf("one that is ahead: %v", err)
	}
}

// TestChangesSurviveFaults lets every call of the store fail in turn: the
// checkpoint is as before or as wanted, and never without a line in the log.
func TestChangesSurviveFaults(t *testing.T) {
	for n := 0; ; n++ {
		b := newBench([]string{"1"})
		b.run(t, engine.OK)
		faulty := &failingStore{Store: b.store, at: n}
		b.Store = faulty
		_, err := b.Rewind(t.Context(), b.s.Key(), noon.Add(-time.Hour))
		b.Store = b.store
		c := b.checkpoint(t)
		st, serr := b.State(t.Context(), b.s.Key())
		if serr != nil {
			t.Fatal(serr)
		}
		changed := c.Position.Equal(noon.Add(-time.Hour))
		if !changed && !c.Position.Equal(noon) || changed && len(st.Changes) == 0 || changed != (err == nil) {
			t.Errorf("call %d fails: position %v, log %+v, %v", n, c.Position, st.Changes, err)
		}
		if faulty.calls <= n {
			if n < 3 {
				t.Errorf("only %d calls", n)
			}
			return
		}
	}
}

// failingStore fails one call.
type failingStore struct {
	engine.Store
	at, calls int
}

func (s *failingStore) fail() error {
	s.calls++
	if s.calls-1 == s.at {
		return errors.New("503 busy")
	}
	return nil
}

func (s *failingStore) Generations(ctx context.Context, name string) ([]engine.Generation, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.Generations(ctx, name)
}

func (s *failingStore) Append(ctx context.Context, name string, after int64, data []byte) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Append(ctx, name, after, data)
}

func (s *failingStore) AddLine(ctx context.Context, name string, line []byte) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.AddLine(ctx, name, line)
}
