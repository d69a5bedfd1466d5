package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// weighed is a store that counts what is written.
type weighed struct {
	engine.Store
	documents, objects int
}

func (w *weighed) Append(ctx context.Context, name string, after int64, data []byte) error {
	w.documents += len(data)
	return w.Store.Append(ctx, name, after, data)
}

func (w *weighed) Put(ctx context.Context, name string, data []byte) error {
	if strings.HasPrefix(name, "seen/") {
		w.objects += len(data)
	}
	return w.Store.Put(ctx, name, data)
}

func (b *bench) parts(t *testing.T) (names []string) {
	t.Helper()
	for name, err := range b.store.List(t.Context(), "seen/") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// unordered is a bench whose window has many pages in no order, of two ids each.
func unordered(pages int) *bench {
	var list [][]string
	for i := range pages {
		list = append(list, []string{fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)})
	}
	b := newBench(list...)
	b.BatchBytes, b.PartIDs = 200, 16 // a batch for each page
	return b
}

// TestIDsAreWrittenOnce: what is stored of a long window without an order does not grow
// with the square of its length.
func TestIDsAreWrittenOnce(t *testing.T) {
	const pages = 400
	b := unordered(pages)
	w := &weighed{Store: b.store}
	b.Store = w
	b.run(t, engine.OK)
	if w.objects == 0 || w.objects > 2*pages*33 {
		t.Errorf("%d bytes of ids in objects, of %d ids", w.objects, 2*pages)
	}
	if most := pages * (1500 + 2*b.PartIDs*33); w.documents > 2*most {
		t.Errorf("%d bytes of checkpoints, want at most %d", w.documents, 2*most)
	}
	// When the window is closed its parts are let go, once no generation names them.
	for range engine.KeptGenerations + 2 {
		b.src.Pages = nil
		b.clock.Advance(time.Hour)
		b.run(t, engine.OK)
	}
	if left := b.parts(t); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// TestIDsInPartsAreKnownToTheNextRun, and to a copy of the checkpoint.
func TestIDsInPartsAreKnownToTheNextRun(t *testing.T) {
	b := unordered(60)
	var before func(page int) = func(page int) {
		if page == 50 {
			b.clock.Advance(2 * time.Minute) // the run's time is up
		}
	}
	b.src.Before = before
	b.Run(t.Context(), b.s, time.Minute)
	if len(b.parts(t)) == 0 {
		t.Fatal("there are no parts")
	}
	st, err := b.State(t.Context(), b.s.Key())
	if err != nil || st.KnownIDs < 90 {
		t.Errorf("%+v, %v", st, err)
	}
	doc, err := b.Export(t.Context(), b.s.Key())
	if err != nil || strings.Contains(string(doc), "seen_parts") {
		t.Errorf("the copy is not whole: %.200s, %v", doc, err)
	}
	b.src.Before = nil
	b.src.Fail = func(page, call int) error {
		if page > 0 && call == 53 { // the page token is gone: all is listed anew
			return engine.ErrTokenExpired
		}
		return nil
	}
	rep := b.run(t, engine.OK)
	got := slices.Sorted(slices.Values(b.sink.IDs()))
	if len(slices.Compact(slices.Clone(got))) != 120 || len(got) != 120 {
		t.Errorf("%d rows of 120 records (%+v)", len(got), rep.Counts)
	}
}

// TestAGenerationWhosePartIsGoneIsDamaged: an older one serves, and nothing is lost.
func TestAGenerationWhosePartIsGoneIsDamaged(t *testing.T) {
	for _, damage := range []string{"gone", "changed"} {
		b := unordered(60)
		b.src.Before = func(page int) {
			if page == 17 { // a part has just been written
				b.clock.Advance(2 * time.Minute)
			}
		}
		b.Run(t.Context(), b.s, time.Minute)
		parts := b.parts(t)
		if len(parts) == 0 {
			t.Fatal("there are no parts")
		}
		last := parts[len(parts)-1]
		if damage == "gone" {
			_ = b.store.Delete(t.Context(), last)
		} else {
			_ = b.store.Put(t.Context(), last, []byte("AAAA"))
		}
		b.src.Before = nil
		b.clock.Advance(10 * time.Minute)
		rep := b.Run(t.Context(), b.s, time.Minute)
		switch {
		case rep.Outcome == engine.OK && rep.Recovered:
			if n := len(slices.Compact(slices.Sorted(slices.Values(b.sink.IDs())))); n != 120 {
				t.Errorf("%s: %d of 120 records", damage, n)
			}
		case rep.Reason != "checkpoint_unreadable" || !strings.Contains(rep.Message, last):
			t.Errorf("%s: %s (%s): %s", damage, rep.Outcome, rep.Reason, rep.Message)
		}
	}
}

// TestARewindLetsPartsGo.
func TestARewindLetsPartsGo(t *testing.T) {
	b := unordered(60)
	b.src.Before = func(page int) {
		if page == 50 {
			b.clock.Advance(2 * time.Minute)
		}
	}
	b.Run(t.Context(), b.s, time.Minute)
	if _, err := b.Rewind(t.Context(), b.s.Key(), noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	gens, err := b.store.Generations(t.Context(), "checkpoints/c/s")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Checkpoint map[string]json.RawMessage `json:"checkpoint"`
	}
	if err := json.Unmarshal(gens[0].Data, &doc); err != nil || doc.Checkpoint["seen_parts"] != nil || doc.Checkpoint["stale_parts"] == nil {
		t.Errorf("%s, %v", gens[0].Data, err)
	}
	b.src.Before = nil
	b.run(t, engine.OK)
	if n := len(slices.Compact(slices.Sorted(slices.Values(b.sink.IDs())))); n != 120 {
		t.Errorf("%d of 120 records", n)
	}
}
