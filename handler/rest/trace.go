package rest

import (
	"log/slog"
	"net/http"
	"time"
)

// traced writes a line for each request when the log is at debug: method, address and
// status, with secrets covered.
type traced struct {
	next http.RoundTripper
	log  *slog.Logger
	r    *Connection
}

// RoundTrip implements http.RoundTripper.
func (t *traced) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.log.Enabled(req.Context(), slog.LevelDebug) {
		return t.next.RoundTrip(req)
	}
	began := time.Now()
	resp, err := t.next.RoundTrip(req)
	line := []any{"connection", t.r.opt.Name, "method", req.Method, "url", t.r.secrets.Redact(req.URL.String()), "ms", time.Since(began).Milliseconds()}
	if err != nil {
		line = append(line, "error", t.r.errs.Scrub(err))
	} else {
		line = append(line, "status", resp.StatusCode, "length", resp.ContentLength)
	}
	t.log.DebugContext(req.Context(), "request", line...)
	return resp, err
}
