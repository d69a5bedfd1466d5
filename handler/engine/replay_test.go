package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// children lists an item that cannot be had, and has its records when asked again.
type children struct {
	engine.Source
	pages [][]string // of the item; none: it cannot be had
}

func (c *children) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	p, err := c.Source.Fetch(ctx, w, token)
	if err == nil {
		p.Bad = []engine.Bad{{Body: []byte(`{"item":7}`), Reason: "item_not_found", Detail: "404 for the item 7", Again: "7 of " + w.To.String()}}
	}
	return p, err
}

func (c *children) Refetch(_ context.Context, again, token string) (*engine.Page, error) {
	if !strings.HasPrefix(again, "7 of ") {
		return nil, fmt.Errorf("asked for %q", again)
	}
	if len(c.pages) == 0 {
		return &engine.Page{Records: []byte("[]"), Bad: []engine.Bad{{Body: []byte(`{"item":7}`), Reason: "item_not_found", Detail: "404 for the item 7", Again: again}}}, nil
	}
	n := 0
	_, _ = fmt.Sscan(token, &n)
	p := &engine.Page{Records: []byte(`["` + strings.Join(c.pages[n], `","`) + `"]`)}
	if n+1 < len(c.pages) {
		p.Next = fmt.Sprint(n + 1)
	}
	return p, nil
}

// TestWhatCouldNotBeHadIsReplayedByAsking for it, all pages and all records of it.
func TestWhatCouldNotBeHadIsReplayedByAsking(t *testing.T) {
	b := newBench([]string{"a"})
	src := &children{Source: b.src}
	b.s.Source = src
	if rep := b.run(t, engine.OK); rep.Counts.Fetched != 2 || rep.Counts.Quarantined != 1 || !rep.Counts.Balanced() {
		t.Errorf("counts %+v", rep.Counts)
	}
	b.clock.Advance(time.Minute)
	if rep := b.run(t, engine.OK); rep.Counts.Quarantined > 0 {
		t.Errorf("it is counted again: %+v", rep.Counts)
	}
	replay := func() error {
		return b.Quarantine(t.Context(), b.s.Key(), func(q *engine.Quarantined) error {
			if q.Again == "" {
				return nil
			}
			return b.Replay(t.Context(), b.s, q)
		})
	}
	if err := replay(); err == nil || !strings.Contains(err.Error(), "404 for the item 7") {
		t.Errorf("replayed while it cannot be had: %v", err)
	}
	src.pages = [][]string{ids(30), {"#x", "!y"}, {"z"}}
	b.BatchBytes = 1000 // several uploads
	b.refusing(func(rows string) string {
		if strings.Contains(rows, `"id":"e7"`) {
			return "bad row"
		}
		return ""
	})
	if err := replay(); err != nil {
		t.Fatal(err)
	}
	want := append(slices.DeleteFunc(ids(30), func(id string) bool { return id == "e7" }), "a", "z")
	if got := b.sink.IDs(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("rows %v", got)
	}
	kept := strings.Join(b.inQuarantine(t), "\n")
	if strings.Count(kept, "\n") != 1 || !strings.Contains(kept, `"#x" not_an_object`) || !strings.Contains(kept, `"e7" rejected_400`) {
		t.Errorf("quarantine %s", kept)
	}
	b.s.Source = b.src
	if err := b.Replay(t.Context(), b.s, &engine.Quarantined{ID: "c/s/1", Again: "7"}); err == nil || !strings.Contains(err.Error(), "does not say any more how to ask") {
		t.Errorf("replayed by a source that cannot: %v", err)
	}
}

// TestADamagedRecordIsMendedWhenReplayed, where that is plain to do.
func TestADamagedRecordIsMendedWhenReplayed(t *testing.T) {
	b := newBench()
	b.s.Source = &bodies{list: []string{"\"tab\there\"\n\"a\"\n\"no end\n"}, lines: true}
	b.run(t, engine.OK)
	b.wantIDs(t, "a")
	var stays []error
	err := b.Quarantine(t.Context(), b.s.Key(), func(q *engine.Quarantined) error {
		if err := b.Replay(t.Context(), b.s, q); err != nil {
			stays = append(stays, err)
		}
		return nil
	})
	if err != nil || len(stays) != 1 || !strings.Contains(stays[0].Error(), "it cannot be read") {
		t.Errorf("%v, %v", stays, err)
	}
	b.wantIDs(t, "a", "tab\there")
	if kept := b.inQuarantine(t); len(kept) != 1 {
		t.Errorf("quarantine %q", kept)
	}
}

// TestARefusedRecordStaysWhenReplayed, and no canary is sent for it.
func TestARefusedRecordStaysWhenReplayed(t *testing.T) {
	b := newBench([]string{"a", "bad"})
	b.refusing(func(rows string) string {
		if strings.Contains(rows, "bad") {
			return "bad row"
		}
		return ""
	})
	b.run(t, engine.OK)
	err := b.Quarantine(t.Context(), b.s.Key(), func(q *engine.Quarantined) error { return b.Replay(t.Context(), b.s, q) })
	var e *engine.Error
	if !errors.As(err, &e) || e.Kind != engine.Rejected || len(b.inQuarantine(t)) != 1 || b.canaries() > 0 {
		t.Errorf("%v, quarantine %q, %d canaries", err, b.inQuarantine(t), b.canaries())
	}
}
