package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// impatient is a clock whose waits are over at once, the last of them because
// somebody stops the program.
type impatient struct {
	engine.SystemClock
	waits int
	stop  context.CancelFunc
}

func (c *impatient) Sleep(ctx context.Context, _ time.Duration) error {
	if c.waits--; c.waits == 0 {
		c.stop()
	}
	return ctx.Err()
}

// TestRunWithAScheduleStays: three runs on schedule, a line of JSON for each, and an
// end without an error.
func TestRunWithAScheduleStays(t *testing.T) {
	s := surround(t)
	a := s.app(t, s.endpoint, s.provider.URL)
	ctx, stop := context.WithCancel(t.Context())
	a.Clock = &impatient{waits: 3, stop: stop}
	var out bytes.Buffer
	if err := a.stay(ctx, &streams{out: &out}, a.conns, time.Minute, "json"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), &out)
	}
	for _, l := range lines {
		var rep engine.Report
		if err := json.Unmarshal([]byte(l), &rep); err != nil || rep.Outcome != engine.OK || rep.Stream != "system_log" {
			t.Errorf("%s: %v", l, err)
		}
	}
}

// TestARunEndsBeforeTheHostsLimit: with the half minute that a hanging provider costs.
func TestARunEndsBeforeTheHostsLimit(t *testing.T) {
	for limit, want := range map[string]time.Duration{"00:30:00": 24 * time.Minute, "00:05:00": 4 * time.Minute, "00:02:00": 75 * time.Second, "00:01:00": 15 * time.Second, "-1": 24 * time.Minute} {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "host.json"), []byte(`{"functionTimeout": "`+limit+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := runBudget(root); got != want {
			t.Errorf("%s: %s, want %s", limit, got, want)
		}
	}
}
