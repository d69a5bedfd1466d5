package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// hostLog logs for the Functions host, which takes each line on standard output for
// information, whatever it says, and each on standard error for an error: so errors go
// there too, as a line for people. One that has "warn" in it the host takes for a warning.
type hostLog struct {
	json  slog.Handler
	err   io.Writer
	mu    *sync.Mutex
	attrs []slog.Attr
}

func newHostLog(out, err io.Writer) *hostLog {
	return &hostLog{json: slog.NewJSONHandler(out, &slog.HandlerOptions{Level: hostLevel()}), err: err, mu: &sync.Mutex{}}
}

// Enabled implements slog.Handler.
func (h *hostLog) Enabled(ctx context.Context, l slog.Level) bool { return h.json.Enabled(ctx, l) }

// WithAttrs implements slog.Handler.
func (h *hostLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.json, c.attrs = h.json.WithAttrs(attrs), append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return &c
}

// WithGroup implements slog.Handler; lines for people have no groups.
func (h *hostLog) WithGroup(name string) slog.Handler {
	c := *h
	c.json = h.json.WithGroup(name)
	return &c
}

// Handle implements slog.Handler.
func (h *hostLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		h.line(r)
	}
	return h.json.Handle(ctx, r)
}

func (h *hostLog) line(r slog.Record) {
	text := r.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	}
	r.Attrs(add)
	for _, a := range h.attrs {
		add(a)
	}
	text = strings.Join(strings.Fields(text), " ")
	text = warning.ReplaceAllString(text, "$1-$2")
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = io.WriteString(h.err, text+"\n")
}

// warning is the word by which the host takes a line for a warning.
var warning = regexp.MustCompile(`(?i)(wa)(rn)`)
