package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
)

const agreed = `
name: agreed
title: Agreed
publisher: Agreed
support: {tier: community}
description: A provider that asks a person.
settings: [{name: client_secret, label: Secret, help: x, required: true, secret: true}]
base_url: https://api.agreed.example
auth: {type: oauth2, grant: authorization_code, authorize_url: "https://id.agreed.example/agree", token_url: /token, client_id: sluice, client_secret: "{client_secret}", scope: read}
streams:
  - name: events
    request: {path: /events, query: {since: "{window.from}"}}
    records: $
    position: {type: window, time: at, id: id, order: none, granularity: 1s, bounds: "[)", lag: 0s, overlap: 0s, retention: 1d}
    table: OktaV2_CL
tables:
  - name: OktaV2_CL
    columns: [{name: TimeGenerated, type: datetime, kql: todatetime(at)}]
`

// TestLoginInABrowser: a person agrees once; the refresh token, which the provider
// replaces each time, is kept sealed, and the next process goes on with it.
func TestLoginInABrowser(t *testing.T) {
	s := surround(t)
	valid := ""
	issued := 0
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/events" && r.Header.Get("Authorization") == fmt.Sprintf("Bearer at-%d", issued):
			fmt.Fprintf(w, `[{"id":"1","at":%q}]`, time.Now().Add(-time.Minute).Format(time.RFC3339))
		case r.URL.Path == "/token" && (r.FormValue("code") == "the-code" && r.FormValue("code_verifier") != "" || valid != "" && r.FormValue("refresh_token") == valid):
			issued++
			valid = fmt.Sprintf("refresh-secret-%d", issued)
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprintf("at-%d", issued), "refresh_token": valid})
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer provider.Close()
	folder := t.TempDir()
	path := filepath.Join(folder, "connector.yaml")
	if err := os.WriteFile(path, []byte(agreed), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLIENT_SECRET", "the-client-secret")
	text := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: %s}
store: {dir: %q}
connections: [{connector: %q, base_url: %q, settings: {client_secret: "${env:CLIENT_SECRET}"}, start: -1h}]
`, s.endpoint, s.rules, filepath.Join(folder, "store"), path, provider.URL)
	a := appOf(t, text)
	if rep := a.CollectAll(t.Context(), a.Connections(), time.Minute)[0]; rep.Reason != "not_logged_in" {
		t.Errorf("before the login: %s (%s): %s", rep.Outcome, rep.Reason, rep.Message)
	}
	a = appOf(t, text)
	out := &lines{}
	done := make(chan error, 1)
	go func() { done <- login(t.Context(), a, &stdio{out: out, err: out}, a.Connections()[0], 0) }()
	page, err := url.Parse(out.wait(t, `https://id\S+`))
	if err != nil {
		t.Fatal(err)
	}
	q := page.Query()
	back := func(state, code string) int {
		t.Helper()
		resp, err := http.Get(q.Get("redirect_uri") + "?" + url.Values{"state": {state}, "code": {code}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if code := back("somebody-else", "stolen"); code != http.StatusNotFound {
		t.Errorf("an answer with another state: %d", code)
	}
	if code := back(q.Get("state"), "the-code"); code != http.StatusOK {
		t.Errorf("the answer: %d", code)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for later := range 2 {
		a := appOf(t, text)
		a.Clock = memory.NewClock(time.Now().UTC().Add(time.Duration(later) * time.Minute))
		if rep := a.CollectAll(t.Context(), a.Connections(), time.Minute)[0]; rep.Outcome != engine.OK {
			t.Errorf("after the login: %s (%s): %s", rep.Outcome, rep.Reason, rep.Message)
		}
	}
	if issued != 3 {
		t.Errorf("%d tokens, want 3", issued)
	}
	err = filepath.WalkDir(filepath.Join(folder, "store"), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		if bytes.Contains(data, []byte("secret")) {
			t.Errorf("%s has a secret", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lines is output that a test waits for.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return len(p), nil
}

// wait waits for a text that matches.
func (l *lines) wait(t *testing.T, pattern string) string {
	t.Helper()
	for {
		l.mu.Lock()
		m := regexp.MustCompile(pattern).FindString(l.text.String())
		more := make(chan struct{})
		l.more = more
		l.mu.Unlock()
		if m != "" {
			return m
		}
		select {
		case <-more:
		case <-time.After(30 * time.Second):
			t.Fatal("it does not come: " + pattern)
		}
	}
}
