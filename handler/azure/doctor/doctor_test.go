package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// around is a network with one server in it, whose certificate is trusted.
func around(t *testing.T, now func() time.Time) (*Network, string) {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return &Network{
		Resolve: func(_ context.Context, host string) ([]string, error) {
			if host != "127.0.0.1" {
				return nil, errors.New("no such host")
			}
			return []string{"10.1.2.3"}, nil
		},
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Now: now, Timeout: time.Minute,
	}, srv.URL
}

func find(t *testing.T, checks []Check, what string, status Status, text string) {
	t.Helper()
	for _, c := range checks {
		if c.What == what {
			if c.Status != status || !strings.Contains(c.Found+" "+c.Do, text) {
				t.Errorf("%s: %+v, want %s: …%s…", what, c, status, text)
			}
			return
		}
	}
	t.Errorf("no check %s in %+v", what, checks)
}

func TestReach(t *testing.T) {
	start := time.Now()
	n, at := around(t, func() time.Time { return start })
	checks := n.Reach(t.Context(), "rows", at)
	find(t, checks, "dns", OK, "10.1.2.3 (private)")
	find(t, checks, "tls", OK, "TLS 1.3, certificate for")
	find(t, checks, "clock", OK, "0s from theirs")

	find(t, n.Reach(t.Context(), "rows", "https://nowhere.example"), "dns", Fail, "leads nowhere: no such host")
	find(t, n.Reach(t.Context(), "rows", "::"), "dns", Fail, "is no address")
	find(t, n.Reach(t.Context(), "rows", "http://127.0.0.1:1"), "dns", OK, "on this machine")

	theirs := n.TLS
	n.TLS = &tls.Config{}
	find(t, n.Reach(t.Context(), "rows", at), "tls", Fail, "certificate")
	n.TLS = theirs
	for off, want := range map[time.Duration]Status{-3 * time.Minute: Fail, 3 * time.Minute: Fail, time.Minute: Warn, -10 * time.Second: OK} {
		n.Now = func() time.Time { return start.Add(off) }
		find(t, n.Reach(t.Context(), "rows", at), "clock", want, "")
	}
	// httptest's certificate ends in 2084.
	n.Now = func() time.Time { return time.Date(2084, 1, 20, 0, 0, 0, 0, time.UTC) }
	find(t, n.Reach(t.Context(), "rows", at), "tls", Warn, "renew it")
}

func TestColumns(t *testing.T) {
	want := []engine.Column{{Name: "A", Type: "string"}, {Name: "B", Type: "long"}, {Name: "C", Type: "guid"}}
	for text, have := range map[string][]engine.Column{
		"ok 3 columns":                  {{Name: "A", Type: "string"}, {Name: "B", Type: "long"}, {Name: "C", Type: "string"}, {Name: "More", Type: "string"}},
		"fail there is no A, C":         {{Name: "B", Type: "long"}},
		"fail B is string, not long":    {{Name: "A", Type: "string"}, {Name: "B", Type: "string"}, {Name: "C", Type: "guid"}},
		"fail it has no columns, or is": nil,
	} {
		c := Columns("T_CL", want, have)
		status, found, _ := strings.Cut(text, " ")
		if string(c.Status) != status || !strings.Contains(c.Found, found) {
			t.Errorf("%+v, want %s", c, text)
		}
	}
}
