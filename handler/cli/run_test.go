package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/connectortest"
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
	if err := stay(ctx, a, &streams{out: &out}, a.Connections(), time.Minute, "json"); err != nil {
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

// TestWhoStopsARunIsToldThatItTakesAMoment, and nobody else is.
func TestWhoStopsARunIsToldThatItTakesAMoment(t *testing.T) {
	said := &connectortest.Log{}
	ctx, cancel := context.WithCancel(t.Context())
	stop := sayStopping(ctx, &streams{err: said})
	stop()
	cancel()
	if said.String() != "" {
		t.Errorf("a run that has ended is stopped: %s", said)
	}
	sayStopping(ctx, &streams{err: said})
	for !strings.Contains(said.String(), "a second signal ends it at once\n") {
		<-time.After(time.Millisecond)
	}
}
