package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/invoke"
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

// TestOneBrokenConnectionStopsNoOther: in an app that serves several connectors, what
// is wrong with one fails its function only, until it is mended.
func TestOneBrokenConnectionStopsNoOther(t *testing.T) {
	s := surround(t)
	for _, pair := range s.env(t.TempDir()) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	t.Setenv("SLACK_TOKEN", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)")
	srv := &server{log: slog.New(slog.DiscardHandler), budget: time.Minute}
	if _, err := srv.collect(t.Context(), "slack", &invoke.Invocation{Function: "slack"}); err == nil || !strings.Contains(err.Error(), "SLACK_TOKEN holds an unresolved Key Vault reference") {
		t.Errorf("slack: %v", err)
	}
	logs, err := srv.collect(t.Context(), "okta", &invoke.Invocation{Function: "okta"})
	if err != nil || len(logs) != 1 || !strings.Contains(logs[0], "caught up") {
		t.Errorf("okta: %v, %v", logs, err)
	}
	first := srv.app
	if _, err := srv.collect(t.Context(), "okta", &invoke.Invocation{Function: "okta"}); err != nil || srv.app != first {
		t.Errorf("the app is opened again for another's sake: %v", err)
	}
	t.Setenv("SLACK_TOKEN", "")
	if _, err := srv.collect(t.Context(), "slack", &invoke.Invocation{Function: "slack"}); err != nil || srv.app == first {
		t.Errorf("mended: %v", err)
	}
}
