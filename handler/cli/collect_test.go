package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/invoke"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// twoTenants makes the present folder one with a sluice.yaml of two connections of a
// connector; the secret of the second is the file secret, which is not there yet.
func twoTenants(t *testing.T, s *surroundings) (secret string) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("TOKEN", "x")
	secret = filepath.Join(t.TempDir(), "secret")
	text := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: %s}
store: {dir: %q}
connections:
  - {connector: okta, name: a, base_url: %[4]q, settings: {domain: a.example, api_token: "${env:TOKEN}"}, start: -10m}
  - {connector: okta, name: b, base_url: %[4]q, settings: {domain: b.example, api_token: "${file:%s}"}, start: -10m}
`, s.endpoint, s.rules, t.TempDir(), s.provider.URL, secret)
	if err := os.WriteFile("sluice.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret
}

func outcomes(reps []engine.Report) (text string) {
	for _, r := range reps {
		text += r.Connection + "/" + r.Stream + " " + string(r.Outcome) + " " + r.Reason + "\n"
	}
	return text
}

// TestOneBrokenConnectionStopsNoOther: of two connections of one connector in a
// function app. What is mended is collected by its next run, and the other one is not
// opened again for its sake.
func TestOneBrokenConnectionStopsNoOther(t *testing.T) {
	s := surround(t)
	secret := twoTenants(t, s)
	srv := &server{log: slog.New(slog.DiscardHandler), limit: 2 * time.Minute}
	call := func() (string, error) {
		logs, err := srv.collect(t.Context(), "okta", &invoke.Invocation{Function: "okta"})
		return strings.Join(logs, "\n"), err
	}
	logs, err := call()
	if err == nil || !strings.Contains(logs, "a/system_log") || !strings.Contains(logs, "caught up") || !strings.Contains(logs, "b: FAILED (configuration): sluice.yaml:6:") || !strings.Contains(logs, secret) {
		t.Errorf("%s, %v", logs, err)
	}
	if n, err := s.ws.Count(sentinel.HealthTable); n != 2 || err != nil {
		t.Errorf("%d rows of health, %v", n, err)
	}
	first := srv.app.Connections()[0]
	if err := os.WriteFile(secret, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	logs, err = call()
	if err != nil || strings.Count(logs, "caught up") != 2 || srv.app.Connections()[0] != first {
		t.Errorf("mended: %s, %v", logs, err)
	}
}

// TestAScheduleMendsToo: the same beside a scheduler, and in the order of the file.
func TestAScheduleMendsToo(t *testing.T) {
	s := surround(t)
	secret := twoTenants(t, s)
	c, err := app.Load("sluice.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(a.CollectAll(t.Context(), a.Connections(), time.Minute)); got != "a/system_log ok \nb/ failed configuration\n" {
		t.Error(got)
	}
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(a.CollectAll(t.Context(), a.Connections()[1:], time.Minute)); got != "b/ failed configuration\n" {
		t.Errorf("nobody said that it may be read again: %s", got)
	}
	a.Reload = (&server{}).config
	if got := outcomes(a.CollectAll(t.Context(), a.Connections()[1:], time.Minute)); got != "b/system_log ok \n" {
		t.Error(got)
	}
	if err := os.WriteFile("sluice.yaml", []byte("- no configuration"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(a.CollectAll(t.Context(), a.Connections(), time.Minute)); got != "a/system_log ok \nb/system_log ok \n" {
		t.Errorf("what runs needs no file: %s", got)
	}
}

// TestConnectionsRunSideBySide: up to a limit, reported in their order; one that has no
// turn in its time says so.
func TestConnectionsRunSideBySide(t *testing.T) {
	const sideBySide = 3
	var mu sync.Mutex
	now, most := 0, 0
	all := make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		if now++; now == sideBySide {
			close(all)
		}
		most = max(most, now)
		mu.Unlock()
		<-all // until as many have come as may
		mu.Lock()
		now--
		mu.Unlock()
		_, _ = w.Write([]byte("[]"))
	}))
	defer provider.Close()
	s := surround(t)
	t.Setenv("TOKEN", "x")
	text := fmt.Sprintf("workspace: {endpoint: %q, credential: none, rules: %s}\nstore: {dir: %q}\nconnections:\n", s.endpoint, s.rules, t.TempDir())
	const n = 2*sideBySide - 1
	var want string
	for i := range n {
		text += fmt.Sprintf("  - {connector: okta, name: c%d, base_url: %q, settings: {domain: x.example, api_token: \"${env:TOKEN}\"}, start: -10m}\n", i, provider.URL)
		want += fmt.Sprintf("c%d/system_log ok \n", i)
	}
	a := appOf(t, text, app.Options{SideBySide: sideBySide})
	if got := outcomes(a.CollectAll(t.Context(), a.Connections(), time.Minute)); got != want || most != sideBySide {
		t.Errorf("%d at a time\n%s", most, got)
	}
}

// TestATurnThatDoesNotCome in the time of a run, or before a signal, is no failure: the
// next run goes on.
func TestATurnThatDoesNotCome(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		_, _ = w.Write([]byte("[]"))
	}))
	defer provider.Close()
	s := surround(t)
	t.Setenv("TOKEN", "x")
	text := fmt.Sprintf("workspace: {endpoint: %q, credential: none, rules: %s}\nstore: {dir: %q}\nconnections:\n", s.endpoint, s.rules, t.TempDir())
	for i := range 3 {
		text += fmt.Sprintf("  - {connector: okta, name: c%d, base_url: %q, settings: {domain: x.example, api_token: \"${env:TOKEN}\"}, start: -10m}\n", i, provider.URL)
	}
	a := appOf(t, text, app.Options{SideBySide: 1})
	first := make(chan string)
	go func() { first <- outcomes(a.CollectOne(t.Context(), a.Connections()[0], time.Minute)) }()
	<-asked
	if got := outcomes(a.CollectOne(t.Context(), a.Connections()[1], time.Millisecond)); got != "c1/system_log partial budget\n" {
		t.Error(got)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("a signal"))
	if got := outcomes(a.CollectOne(ctx, a.Connections()[2], time.Minute)); got != "c2/system_log partial budget\n" {
		t.Error(got)
	}
	close(release)
	if got := <-first; got != "c0/system_log ok \n" {
		t.Error(got)
	}
}

// TestLargePagesTakeTurns: where memory is for one run, six that read large pages, some
// of which name others, come to their end all the same, one after the other.
func TestLargePagesTakeTurns(t *testing.T) {
	record := fmt.Sprintf(`{"published":%q,"uuid":"%%d","text":%q}`, time.Now().Add(-5*time.Minute).UTC().Format(time.RFC3339), strings.Repeat("x", 4000))
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("after"), &page)
		if page < 2 {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/logs?after=%d>; rel="next"`, r.Host, page+1))
		}
		_, _ = w.Write([]byte("["))
		for i := range 1500 {
			_, _ = fmt.Fprintf(w, record+map[bool]string{true: ",", false: "]"}[i < 1499], 1500*page+i)
		}
	}))
	defer provider.Close()
	s := surround(t)
	t.Setenv("TOKEN", "x")
	text := fmt.Sprintf("workspace: {endpoint: %q, credential: none, rules: %s}\nstore: {dir: %q}\nconnections:\n", s.endpoint, s.rules, t.TempDir())
	for i := range 6 {
		text += fmt.Sprintf("  - {connector: okta, name: c%d, base_url: %q, settings: {domain: x.example, api_token: \"${env:TOKEN}\"}, start: -10m}\n", i, provider.URL)
	}
	a := appOf(t, text, app.Options{Memory: 33 << 20}) // two runs, and less than a large page
	for _, rep := range a.CollectAll(t.Context(), a.Connections(), time.Hour) {
		if rep.Outcome != engine.OK || rep.Counts.Acknowledged != 4500 {
			t.Errorf("%s", line(&rep))
		}
	}
}

// TestServeStopsAtAPage: a signal ends the runs under way as the end of their time does.
func TestServeStopsAtAPage(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stop()
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/logs?after=%d>; rel="next"`, r.Host, time.Now().UnixNano()))
		_, _ = w.Write([]byte(`[{"uuid":"x"}]`))
	}))
	defer provider.Close()
	s := surround(t)
	a := s.app(t, s.endpoint, provider.URL)
	srv := &server{log: slog.New(slog.DiscardHandler), limit: 2 * time.Minute, stopped: stopped, app: a}
	logs, err := srv.collect(t.Context(), "okta", &invoke.Invocation{Function: "okta"})
	if err != nil || len(logs) != 1 || !strings.Contains(logs[0], "stopped on request") {
		t.Errorf("%v, %v", logs, err)
	}
	if n, err := s.ws.Count(sentinel.HealthTable); n != 1 || err != nil {
		t.Errorf("%d rows of health, %v", n, err)
	}
}
