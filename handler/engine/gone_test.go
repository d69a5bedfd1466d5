package engine_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// loseCheckpoint deletes all generations.
func (b *bench) loseCheckpoint(t *testing.T) {
	t.Helper()
	for {
		gens, err := b.store.Generations(t.Context(), "checkpoints/"+b.s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if len(gens) == 0 {
			return
		}
		b.store.Damage("checkpoints/"+b.s.Key(), nil)
	}
}

// TestACheckpointThatIsGoneIsNoBeginning: what the store has besides tells.
func TestACheckpointThatIsGoneIsNoBeginning(t *testing.T) {
	for what, forget := range map[string]string{"ledger and health": "", "a ledger": "health/c/s.json", "health": "ledger/c/s/2026-11-22.ndjson"} {
		b := newBench([]string{"a"})
		b.run(t, engine.OK)
		b.loseCheckpoint(t)
		if forget != "" {
			if err := b.store.Delete(t.Context(), forget); err != nil {
				t.Fatal(err)
			}
		}
		b.clock.Advance(time.Hour)
		runs := 0
		for range 2 { // also when the health is that of the first of them
			rep := b.run(t, engine.Failed)
			runs++
			if rep.Stalled != runs && forget == "" {
				t.Errorf("with %s: after %d runs %d are without progress", what, runs, rep.Stalled)
			}
			if rep.Reason != "checkpoint_gone" || !strings.Contains(rep.Message, "sluice state begin c/s --from") {
				t.Errorf("with %s: %s (%s)", what, rep.Reason, rep.Message)
			}
		}
		if st, err := b.Status(t.Context(), b.s); err != nil || !strings.Contains(st.Problem, "and no checkpoint") {
			t.Errorf("with %s: status %+v, %v", what, st, err)
		}
		if _, err := b.Begin(t.Context(), b.s.Key(), noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b.src.Pages = [][]string{{"b"}}
		b.run(t, engine.OK)
		b.wantIDs(t, "a", "b")
		if w := b.src.Asked[len(b.src.Asked)-1]; !w.From.Equal(noon.Add(time.Minute)) {
			t.Errorf("with %s: it went on at %s", what, w.From)
		}
		st, err := b.State(t.Context(), b.s.Key())
		if err != nil || len(st.Changes) != 1 || st.Changes[0].Action != "begin" {
			t.Errorf("audit log: %+v, %v", st.Changes, err)
		}
	}
}

// TestAFirstRunThatFailedIsNoSign of a checkpoint.
func TestAFirstRunThatFailedIsNoSign(t *testing.T) {
	b := newBench([]string{"a"})
	b.s.Start = noon.Add(time.Hour)
	b.run(t, engine.Failed) // a start in the future; its health is recorded
	b.s.Start = noon.Add(-time.Hour)
	b.run(t, engine.OK)
}

func TestBeginIsForStreamsWithoutACheckpoint(t *testing.T) {
	b := newBench([]string{"a"})
	b.run(t, engine.OK)
	if _, err := b.Begin(t.Context(), b.s.Key(), noon); err == nil || !strings.Contains(err.Error(), "has a checkpoint") {
		t.Errorf("begun anew: %v", err)
	}
	for range engine.KeptGenerations {
		b.run(t, engine.OK)
	}
	gens, _ := b.store.Generations(t.Context(), "checkpoints/c/s")
	for i := range gens {
		gens[i].Data = []byte("damaged")
	}
	for range gens {
		b.store.Damage("checkpoints/c/s", nil)
	}
	for i := range gens {
		if err := b.store.Append(t.Context(), "checkpoints/c/s", int64(i), []byte("damaged")); err != nil {
			t.Fatal(err)
		}
	}
	b.run(t, engine.Failed)
	if _, err := b.Begin(t.Context(), b.s.Key(), noon.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "in the future") {
		t.Errorf("begun in the future: %v", err)
	}
	if _, err := b.Begin(t.Context(), b.s.Key(), noon.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK)
	if c := b.checkpoint(t); c.Windows < 2 || c.Fence < 2 {
		t.Errorf("windows and fences are counted anew: %+v", c)
	}
}

func TestSkipGoesOnAfterWhatIsStuck(t *testing.T) {
	b := newBench([]string{"a"}, []string{"b"}, []string{"c"})
	stuck := true
	b.src.Fail = func(page, _ int) error {
		if page == 1 && stuck {
			return &engine.Error{Kind: engine.Permanent, Op: "list", Reason: "wrong_shape"}
		}
		return nil
	}
	b.run(t, engine.Failed)
	c, noPage, err := b.Skip(t.Context(), b.s.Key(), time.Time{}, b.s)
	if err != nil || noPage == nil || !c.From.Equal(noon.Add(-time.Hour)) || !c.To.Equal(noon) {
		t.Fatalf("%+v, %v, %v", c, noPage, err)
	}
	b.clock.Advance(time.Minute)
	b.src.Pages = [][]string{{"d"}}
	b.run(t, engine.OK)
	b.wantIDs(t, "a", "d")
	if w := b.src.Asked[len(b.src.Asked)-1]; !w.From.Equal(noon) {
		t.Errorf("it went on at %s: what is stuck would be listed again", w.From)
	}
	var last engine.LedgerEntry
	lines, err := b.store.Get(t.Context(), "ledger/c/s/2026-11-22.ndjson")
	if first, _, _ := strings.Cut(string(lines), "\n"); err != nil || json.Unmarshal([]byte(first), &last) != nil || last.SkippedBy != b.Holder || last.Gone == nil || !last.Gone.To.Equal(noon) || last.Counts.Acknowledged != 1 {
		t.Errorf("ledger %s, %v", lines, err)
	}
}

// TestSkipOfAWindowThatCannotBeBegun goes to its end, and keeps what was answered in
// the place of its first page.
func TestSkipOfAWindowThatCannotBeBegun(t *testing.T) {
	b := newBench([]string{"a"})
	const answer = `{"items": [{"id": "a"}, {"id": "b`
	b.src.Fail = func(int, int) error {
		return &engine.Unread{Err: &engine.Error{Kind: engine.Permanent, Op: "list", Reason: "malformed_page"}, Body: func() []byte { return []byte(answer) }}
	}
	b.run(t, engine.Failed)
	c, noPage, err := b.Skip(t.Context(), b.s.Key(), time.Time{}, b.s)
	if err != nil || noPage != nil || !c.To.Equal(noon) {
		t.Fatalf("%+v, %v, %v", c, noPage, err)
	}
	err = b.Quarantine(t.Context(), b.s.Key(), func(q *engine.Quarantined) error {
		if string(q.Original()) != answer || q.Reason != "skipped_unread" {
			t.Errorf("quarantine %+v", q)
		}
		return b.Replay(t.Context(), b.s, q)
	})
	if err == nil || !strings.Contains(err.Error(), "could not be read") {
		t.Errorf("replay: %v", err)
	}
	b.src.Fail = nil
	b.clock.Advance(time.Minute)
	b.run(t, engine.OK)
	if _, _, err := b.Skip(t.Context(), b.s.Key(), time.Time{}, b.s); err == nil || !strings.Contains(err.Error(), "--to") {
		t.Errorf("a stream that does not stand still: %v", err)
	}
}

// TestSkipKeepsThePage when it can be had after all; replay sends what is in it.
func TestSkipKeepsThePage(t *testing.T) {
	b := newBench([]string{"a", "!b", "c", "#d", "e\x01"})
	refused := true
	b.sink.Fail = func(engine.Batch) error {
		if refused {
			return &engine.Error{Kind: engine.Rejected, Op: "send", Err: errors.New("no")}
		}
		return nil
	}
	b.run(t, engine.Failed)
	for _, to := range []time.Time{noon.Add(time.Minute), noon.Add(-time.Hour)} {
		if _, _, err := b.Skip(t.Context(), b.s.Key(), to, b.s); err == nil {
			t.Errorf("skipped to %s", to)
		}
	}
	if _, noPage, err := b.Skip(t.Context(), b.s.Key(), noon, b.s); err != nil || noPage != nil {
		t.Fatal(noPage, err)
	}
	var page *engine.Quarantined
	err := b.Quarantine(t.Context(), b.s.Key(), func(q *engine.Quarantined) error {
		if q.Reason == "skipped" {
			page = q
		}
		return nil
	})
	if err != nil || page == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	if err := b.Replay(t.Context(), b.s, page); err == nil {
		t.Error("replayed into a sink that refuses all")
	}
	refused = false
	if err := b.Replay(t.Context(), b.s, page); err != nil {
		t.Fatal(err)
	}
	b.wantIDs(t, "a", "c")
	if kept := b.inQuarantine(t); len(kept) != 2 {
		t.Errorf("quarantine %q", kept)
	}
}

// TestALeaseFarAheadIsReportedAndCanBeReleased.
func TestALeaseFarAheadIsReportedAndCanBeReleased(t *testing.T) {
	b := newBench([]string{"a"})
	b.run(t, engine.OK)
	b.clock.Advance(time.Hour * 24 * 365)
	b.src.Before = func(int) { panic("killed") }
	func() {
		defer func() { _ = recover() }()
		b.Run(t.Context(), b.s, time.Minute)
	}()
	b.src.Before = nil
	b.clock.Advance(-time.Hour * 24 * 365)
	rep := b.run(t, engine.Skipped)
	if !strings.Contains(rep.Message, "too far ahead to be right; sluice state release c/s --force") {
		t.Errorf("message: %s", rep.Message)
	}
	if _, err := b.Release(t.Context(), b.s.Key(), false); !errors.Is(err, engine.ErrHeld) {
		t.Errorf("released without force: %v", err)
	}
	c, err := b.Release(t.Context(), b.s.Key(), true)
	if err != nil || c.Broken == nil {
		t.Fatalf("%+v, %v", c, err)
	}
	b.clock.Advance(time.Minute)
	if rep := b.Run(t.Context(), b.s, time.Minute); rep.Outcome == engine.Skipped {
		t.Errorf("%s (%s)", rep.Outcome, rep.Message)
	}
}

// TestAStreamThatIsHeldForLongSaysSo, but not in each run.
func TestAStreamThatIsHeldForLongSaysSo(t *testing.T) {
	b := newBench([]string{"a"})
	b.run(t, engine.OK)
	b.src.Before = func(int) { panic("killed") }
	b.LeaseTTL = time.Hour
	b.clock.Advance(time.Second)
	func() {
		defer func() { _ = recover() }()
		b.Run(t.Context(), b.s, time.Minute)
	}()
	b.sink.Tables = map[string]bool{"T_CL": true, sentinel.HealthTable: true}
	rows := len(b.sink.Rows())
	for range 24 {
		b.clock.Advance(time.Minute)
		b.run(t, engine.Skipped)
	}
	got := b.sink.Rows()[rows:]
	if len(got) != 2 || !strings.Contains(string(got[0]), `"Outcome":"skipped"`) || !strings.Contains(string(got[0]), `"Reason":"lease_held"`) || !strings.Contains(string(got[0]), `"Position"`) {
		t.Errorf("health: %s", got)
	}
}

// TestATornLineSpoilsNoOther, and is counted.
func TestATornLineSpoilsNoOther(t *testing.T) {
	b := newBench([]string{"a"})
	b.run(t, engine.OK)
	for _, to := range []time.Duration{-time.Minute, -2 * time.Minute} {
		if _, err := b.Rewind(t.Context(), b.s.Key(), noon.Add(to)); err != nil {
			t.Fatal(err)
		}
		if err := b.store.AddLine(t.Context(), "audit/c/s.ndjson", []byte(`{"action":"rew`)); err != nil {
			t.Fatal(err)
		}
	}
	st, err := b.State(t.Context(), b.s.Key())
	if err != nil || len(st.Changes) != 2 || st.Torn != 2 {
		t.Errorf("%+v, %d torn, %v", st.Changes, st.Torn, err)
	}
}
