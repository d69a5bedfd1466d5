package app

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"github.com/sluice-connectors/sluice/handler/telemetry"
)

// observing is the process's telemetry, which outlives a configuration.
var observing struct {
	once sync.Once
	t    *telemetry.Telemetry
}

// observe starts telemetry where the environment asks for it.
func (a *App) observe(ctx context.Context, log *slog.Logger) {
	observing.once.Do(func() { Observe(context.WithoutCancel(ctx), os.Getenv, log) })
	if observing.t != nil {
		a.Observer = observing.t
	}
}

// Observe starts the process's telemetry as the variables ask for it. What is wrong with
// them stops nothing else.
func Observe(ctx context.Context, getenv func(string) string, log *slog.Logger) {
	t, err := telemetry.Start(ctx, getenv, Version(), log)
	if err != nil {
		log.Error("not all traces and metrics are sent", "error", err)
	}
	observing.t = t
}

// Traced is ctx in the trace of a caller, which a header traceparent names.
func Traced(ctx context.Context, traceparent string) context.Context {
	return observing.t.Continue(ctx, traceparent)
}

// Flush sends what was observed, as far as that is possible in a moment.
func Flush(ctx context.Context) { observing.t.Flush(ctx) }
