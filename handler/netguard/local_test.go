package netguard

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(h http.Handler, method, host, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/x", strings.NewReader(body))
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestOnlyWhoMeansItIsAnswered: by the Host and the Origin of a request, and by what
// browsers say of who asks.
func TestOnlyWhoMeansItIsAnswered(t *testing.T) {
	srv := Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answered") }), slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct {
		method, host string
		header       []string
		ok           bool
	}{
		"curl":                   {"POST", "127.0.0.1:8420", nil, true},
		"by name":                {"GET", "localhost:8420", nil, true},
		"by name, no port":       {"GET", "LOCALHOST", nil, true},
		"IPv6":                   {"GET", "[::1]:8420", nil, true},
		"IPv6, no port":          {"GET", "[::1]", nil, true},
		"a rebound name":         {"GET", "evil.example:8420", nil, false},
		"a name that looks like": {"GET", "127.0.0.1.evil.example:8420", nil, false},
		"localhost.evil":         {"GET", "localhost.evil.example", nil, false},
		"this network":           {"GET", "192.168.1.5:8420", nil, false},
		"no host":                {"GET", "", nil, false},
		"the page itself":        {"POST", "127.0.0.1:8420", []string{"Origin", "http://127.0.0.1:8420", "Sec-Fetch-Site", "same-origin"}, true},
		"another page":           {"POST", "127.0.0.1:8420", []string{"Origin", "https://evil.example"}, false},
		"another port":           {"POST", "127.0.0.1:8420", []string{"Origin", "http://127.0.0.1:3000"}, false},
		"another name":           {"POST", "127.0.0.1:8420", []string{"Origin", "http://localhost:8420"}, false},
		"a sandbox":              {"POST", "127.0.0.1:8420", []string{"Origin", "null"}, false},
		"two origins":            {"POST", "127.0.0.1:8420", []string{"Origin", "http://127.0.0.1:8420", "Origin", "https://evil.example"}, false},
		"an image elsewhere":     {"GET", "127.0.0.1:8420", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, false},
		"a frame elsewhere":      {"GET", "127.0.0.1:8420", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
		"a form elsewhere":       {"POST", "127.0.0.1:8420", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
		"a link elsewhere":       {"GET", "127.0.0.1:8420", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
	} {
		w := ask(srv.Handler, c.method, c.host, "", c.header...)
		if (w.Code == http.StatusOK) != c.ok {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
}

// TestAPanicIsAnAnswerAndABodyHasAnEnd, of a server for this machine and of one for all.
func TestAPanicIsAnAnswerAndABodyHasAnEnd(t *testing.T) {
	for host, server := range map[string]func(http.Handler, *slog.Logger) *http.Server{"127.0.0.1": Server, "sluice.example": OpenServer} {
		var log strings.Builder
		srv := server(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				panic("a mistake")
			}
		}), slog.New(slog.NewTextHandler(&log, nil)))
		if w := ask(srv.Handler, "POST", host, "x"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "mistake") {
			t.Errorf("%s: a panic: %d %s", host, w.Code, w.Body)
		}
		if !strings.Contains(log.String(), `panic="a mistake"`) || !strings.Contains(log.String(), "local_test.go") {
			t.Errorf("%s: the log does not say what, and where: %s", host, log.String())
		}
		if w := ask(srv.Handler, "POST", host, strings.Repeat("x", maxRequest+1)); w.Code == http.StatusInternalServerError {
			t.Errorf("%s: a body was read behind its limit", host)
		}
	}
}
