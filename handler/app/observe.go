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

// observe starts telemetry where the environment asks for it. What is wrong with that
// stops nothing else.
func (a *App) observe(ctx context.Context, log *slog.Logger) {
	observing.once.Do(func() {
		t, err := telemetry.Start(context.WithoutCancel(ctx), os.Getenv, Version(), log)
		if err != nil {
			log.Error("traces and metrics are not sent", "error", err)
		}
		observing.t = t
	})
	if observing.t != nil {
		a.Observer = observing.t
	}
}

// Traced is ctx in the trace of a caller, which a header traceparent names.
func Traced(ctx context.Context, traceparent string) context.Context {
	return observing.t.Continue(ctx, traceparent)
}

// Flush sends what was observed, as far as that is possible in a moment.
func Flush(ctx context.Context) { observing.t.Flush(ctx) }
