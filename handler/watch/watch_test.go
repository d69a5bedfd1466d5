package watch

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/sluice-connectors/sluice/handler/engine"
)

func get(t *testing.T, w *Watch, path string) (int, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec.Code, rec.Body.String()
}

// TestHealthAndReadiness: a process is not ready before all have run and while one fails,
// and not alive when runs no longer end.
func TestHealthAndReadiness(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	w := New(func() time.Time { return now }, "1.2.3")
	w.Expect(map[string]time.Duration{"a": 10 * time.Minute, "b": time.Hour})
	ok := engine.Report{Connection: "a", Connector: "okta", Stream: "log", Outcome: engine.OK, Position: now}
	failed := ok
	failed.Outcome, failed.Reason, failed.Message = engine.Failed, "wrong_credentials", "the provider said: s3cret"
	for _, step := range []struct {
		do           func()
		health, text string
	}{
		{func() {}, "ok", "a: has not run yet\nb: has not run yet\n"},
		{func() { w.Report(&ok); w.Ended("a") }, "ok", "b: has not run yet\n"},
		{func() {
			w.Report(&engine.Report{Connection: "b", Outcome: engine.Failed, Reason: "configuration"})
			w.Ended("b")
		}, "ok", "b/: failed (configuration)\n"},
		{func() { w.Report(&engine.Report{Connection: "b", Stream: "x", Outcome: engine.Partial}) }, "ok", "ok\n"},
		{func() { w.Report(&failed) }, "ok", "a/log: failed (wrong_credentials)\n"},
		{func() { now = now.Add(10*time.Minute + time.Second) }, "a: no run has ended for 10m1s", "a/log: failed (wrong_credentials)\n"},
		{func() { w.Ended("a"); w.Report(&ok) }, "ok", "ok\n"},
		{func() { w.Report(&failed); w.Expect(map[string]time.Duration{"b": time.Hour, "c": time.Hour}) }, "ok", "c: has not run yet\n"},
		{func() {
			w.Report(&engine.Report{Connection: "c", Outcome: engine.Failed, Reason: "configuration"})
			w.Forget("c")
			w.Ended("c")
		}, "ok", "ok\n"},
		{func() { now = now.Add(2 * time.Hour) }, "b: no run has ended for 2h0m0s", "ok\n"},
	} {
		step.do()
		code, health := get(t, w, "/healthz")
		if strings.TrimSpace(health) != step.health || (code == http.StatusOK) != (step.health == "ok") {
			t.Errorf("healthz %d %q, want %q", code, health, step.health)
		}
		code, ready := get(t, w, "/readyz")
		if ready != step.text || (code == http.StatusOK) != (step.text == "ok\n") {
			t.Errorf("readyz %d %q, want %q", code, ready, step.text)
		}
	}
}

// TestMetrics: what runs did, in Prometheus's text, whose linter has nothing to say.
func TestMetrics(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := New(func() time.Time { return now }, "1.2.3")
	for range 2 {
		w.Report(&engine.Report{Connection: "a", Connector: "okta", Stream: "log", Outcome: engine.OK, Counts: engine.Counts{Fetched: 12, Acknowledged: 10, Quarantined: 2}, Pages: 3,
			Position: now.Add(-time.Minute), LastEvent: now.Add(-2 * time.Minute), Backlog: time.Minute, Started: now.Add(-1500 * time.Millisecond), Duration: 1500 * time.Millisecond})
	}
	w.Report(&engine.Report{Connection: "b", Connector: "wiz", Outcome: engine.Failed, Reason: "configuration", Message: "s3cret"})
	code, text := get(t, w, "/metrics")
	for _, want := range []string{
		`sluice_build_info{version="1.2.3"} 1`,
		`sluice_runs_total{connection="a",connector="okta",outcome="ok",reason="",stream="log"} 2`,
		`sluice_runs_total{connection="b",connector="wiz",outcome="failed",reason="configuration",stream=""} 1`,
		`sluice_records_total{connection="a",connector="okta",fate="acknowledged",stream="log"} 20`,
		`sluice_records_total{connection="a",connector="okta",fate="quarantined",stream="log"} 4`,
		`sluice_pages_total{connection="a",connector="okta",stream="log"} 6`,
		`sluice_run_duration_seconds_sum{connection="a",connector="okta",stream="log"} 3`,
		`sluice_backlog_seconds{connection="a",connector="okta",stream="log"} 60`,
		`sluice_position_timestamp_seconds{connection="a",connector="okta",stream="log"} 1.79999994e+09`,
		`sluice_last_success_timestamp_seconds{connection="a",connector="okta",stream="log"} 1.8e+09`,
		"go_goroutines",
	} {
		if code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d, without %s", code, want)
		}
	}
	if strings.Contains(text, "s3cret") || strings.Contains(text, `sluice_backlog_seconds{connection="b"`) {
		t.Errorf("it says more than it knows:\n%s", text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "sluice_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
