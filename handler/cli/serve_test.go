package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/invoke"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestOfTwentyOneHangs: the others finish while it does, and it ends when it is told to.
func TestOfTwentyOneHangs(t *testing.T) {
	hanging := make(chan struct{})
	stopped := sync.OnceFunc(func() { close(hanging) })
	defer stopped()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/hangs") {
			<-hanging
		}
		_, _ = w.Write([]byte("[]"))
	}))
	defer provider.Close()
	s := surround(t)
	t.Setenv("TOKEN", "x")
	text := fmt.Sprintf("workspace: {endpoint: %q, credential: none, rules: %s}\nstore: {dir: %q}\nconnections:\n", s.endpoint, s.rules, t.TempDir())
	for i := range 20 {
		at := map[bool]string{true: "/hangs"}[i == 0]
		text += fmt.Sprintf("  - {connector: okta, name: c%d, base_url: %q, settings: {domain: x.example, api_token: \"${env:TOKEN}\"}, start: -10m}\n", i, provider.URL+at)
	}
	a := appOf(t, text)
	reps := make(chan engine.Report, 20)
	for _, c := range a.Connections() {
		go func() {
			for _, rep := range a.CollectOne(t.Context(), c, time.Minute) {
				reps <- rep
			}
		}()
	}
	for range 19 {
		if rep := <-reps; rep.Outcome != engine.OK || rep.Connection == "c0" {
			t.Errorf("%s", line(&rep))
		}
	}
	stopped()
	if rep := <-reps; rep.Connection != "c0" || rep.Outcome != engine.OK {
		t.Errorf("%s", line(&rep))
	}
}

// TestARunHasAnEndBeforeTheHosts, whatever it waits for: here its provider, which does
// not answer. It is no failure, and the next run goes on.
func TestARunHasAnEndBeforeTheHosts(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer provider.Close()
	s := surround(t)
	srv := &server{log: slog.New(slog.DiscardHandler), limit: 600 * time.Millisecond, app: s.app(t, s.endpoint, provider.URL)}
	logs, err := srv.collect(t.Context(), "okta", &invoke.Invocation{Function: "okta"})
	if err != nil || len(logs) != 1 || !strings.Contains(logs[0], "partial") {
		t.Errorf("%v, %v", logs, err)
	}
}

// TestLinesForTheHost: errors are lines of their own on standard error, without the word
// that makes warnings of them, and everything is JSON on standard output.
func TestLinesForTheHost(t *testing.T) {
	var out, err bytes.Buffer
	log := slog.New(newHostLog(&out, &err)).With("operation_Id", "7")
	log.Info("fine")
	log.Warn("not so fine")
	log.Error("it failed:\nthe server Warned us", "stream", "okta/users")
	if got := err.String(); got != "it failed: the server Wa-rned us stream=okta/users operation_Id=7\n" {
		t.Errorf("%q", got)
	}
	if strings.Count(out.String(), `"operation_Id":"7"`) != 3 {
		t.Error(out.String())
	}
}

// TestAnOrphanCommitsWhatItHasAndEnds: the host is killed in the middle of a run, its
// handler is not, and nobody reads what it writes.
func TestAnOrphanCommitsWhatItHasAndEnds(t *testing.T) {
	root := unpack(t)
	s := surround(t)
	asked := make(chan struct{}, 10)
	published := time.Now().Add(-30 * time.Minute).UTC().Format(time.RFC3339)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/logs?after=2>; rel="next"`, r.Host))
			_, _ = fmt.Fprintf(w, `[{"uuid":"1","published":%q}]`, published)
			return
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer provider.Close()
	env := append(s.env(filepath.Join(t.TempDir(), "store")), "OKTA_BASE_URL="+provider.URL)
	// The shell is the host's process, which starts the handler and is killed.
	h := testkit.StartHost(t, root, "/bin/sh", []string{"-c", filepath.Join(root, "sluice") + " serve & wait"}, env)
	ended := make(chan testkit.Result, 1)
	go func() { ended <- h.Invoke("okta", strings.Replace(timer, "%", "null", 1)) }()
	<-asked
	h.Kill()
	<-ended // its run is over
	if n, err := s.ws.Count("OktaV2_CL"); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL(), "http://"))
		if err != nil {
			break
		}
		conn.Close()
		<-time.After(20 * time.Millisecond)
	}
}
