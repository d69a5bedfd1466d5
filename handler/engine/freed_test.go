package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// heavy is a source of three large pages that looks which of them are still in memory.
type heavy struct {
	t     *testing.T
	pages []weak.Pointer[byte]
	known func([]byte) bool
}

func (h *heavy) Know(known func([]byte) bool) { h.known = known }

func (h *heavy) kept() (n int) {
	runtime.GC()
	for _, p := range h.pages {
		if p.Value() != nil {
			n++
		}
	}
	return n
}

func (h *heavy) Fetch(ctx context.Context, _ engine.Window, _ string) (*engine.Page, error) {
	if n := h.kept(); n > 0 {
		h.t.Errorf("%d pages are still there when the %dth is asked for", n, len(h.pages)+1)
	}
	var text strings.Builder
	text.WriteByte('[')
	for i := range 50 {
		fmt.Fprintf(&text, `"%d-%d%s",`, len(h.pages), i, strings.Repeat("x", 100_000))
	}
	records := []byte(strings.TrimSuffix(text.String(), ",") + "]")
	if err := engine.Grow(ctx, len(records)); err != nil {
		return nil, err
	}
	h.pages = append(h.pages, weak.Make(&records[0]))
	return &engine.Page{Records: records, Next: map[int]string{1: "2", 2: "3"}[len(h.pages)]}, nil
}

// TestALargePageIsGoneBeforeTheNext is asked for, and nothing of a run is left at its
// end, although its stream and source are.
func TestALargePageIsGoneBeforeTheNext(t *testing.T) {
	b := newBench()
	h := &heavy{t: t}
	b.s.Source = h
	mine, err := engine.NewRoom(1).Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rep := b.Run(mine.In(t.Context()), b.s, time.Minute)
	mine.Leave()
	if rep.Outcome != engine.OK || rep.Counts.Acknowledged != 150 {
		t.Fatalf("report %+v", rep)
	}
	b.sink = nil
	if n := h.kept(); n > 0 {
		t.Errorf("%d pages are still there after the run", n)
	}
	runtime.KeepAlive(b.s)
}
