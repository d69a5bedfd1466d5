package rest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestACallInWhichNothingHappensEnds: whether the answer does not begin, or stops in
// its middle, also one with a token.
func TestACallInWhichNothingHappensEnds(t *testing.T) {
	over := make(chan struct{})
	begin := func(w http.ResponseWriter, text string) {
		_, _ = io.WriteString(w, text)
		w.(http.Flusher).Flush()
	}
	oauth := `{type: oauth2, token_url: /token, client_id: "{host}", client_secret: "{key}"}`
	for name, x := range map[string]struct {
		auth, says string
		h          http.HandlerFunc
	}{
		"no answer":          {"{type: none}", "nothing came for 20ms after the request", func(http.ResponseWriter, *http.Request) { <-over }},
		"half an answer":     {"{type: none}", "nothing came for 20ms in the middle of the answer", func(w http.ResponseWriter, _ *http.Request) { begin(w, `[1,`); <-over }},
		"half a refusal":     {"{type: none}", "in the middle of the answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403); begin(w, `no`); <-over }},
		"no token":           {oauth, "after the request", func(http.ResponseWriter, *http.Request) { <-over }},
		"half a token":       {oauth, "in the middle", func(w http.ResponseWriter, _ *http.Request) { begin(w, `{"access_token":`); <-over }},
		"half a redirect":    {"{type: none}", "after the request", func(w http.ResponseWriter, r *http.Request) { redirectOnce(w, r); <-over }},
		"a login that waits": {`{type: login, login: {request: {path: /login}, token: $.t}}`, "after the request", func(http.ResponseWriter, *http.Request) { <-over }},
	} {
		s := authSource(t, x.auth, x.h, nil)
		p := s.client.Transport.(*patient)
		p.head, p.idle = time.Hour, 20*time.Millisecond
		if strings.Contains(x.says, "after") { // what came before may have stopped, too
			p.head = p.idle
		}
		_, err := s.Fetch(t.Context(), window, "")
		if e, ok := err.(*engine.Error); !ok || e.Kind != engine.Transient || e.Reason != "no_answer" || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(over)
}

func redirectOnce(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == "" {
		http.Redirect(w, r, "/data?again", http.StatusFound)
		w.(http.Flusher).Flush()
	}
}

// TestASlowAnswerIsWaitedFor as long as something comes.
func TestASlowAnswerIsWaitedFor(t *testing.T) {
	next := make(chan string)
	s := authSource(t, "{type: none}", func(w http.ResponseWriter, _ *http.Request) {
		for text := range next {
			_, _ = io.WriteString(w, text)
			w.(http.Flusher).Flush()
		}
	}, nil)
	go func() {
		defer close(next)
		for i := range 100 {
			next <- fmt.Sprintln(map[bool]string{true: "[", false: ","}[i == 0], i)
		}
		next <- "]"
	}()
	fetchOK(t, s)
}

// TestAStoppedRunIsNoSilence: the end of the run is its own error.
func TestAStoppedRunIsNoSilence(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := authSource(t, "{type: none}", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}, nil)
	if _, err := s.Fetch(ctx, window, ""); reason(err) == "no_answer" || err == nil {
		t.Errorf("%v", err)
	}
}
