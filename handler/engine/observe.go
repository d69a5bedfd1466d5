package engine

import (
	"context"
	"errors"
	"log/slog"
)

// Observer is told what runs do, while they do it. Several runs use it at once; it must
// hold none of them up.
type Observer interface {
	// Begin is called when a part of a run begins: "run", "fetch", "upload" or "commit".
	// What it returns is called when that is over. Attributes hold no secret.
	Begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(err error, attrs ...slog.Attr))
	// Ran is called when a run is over.
	Ran(ctx context.Context, rep *Report)
}

// begin tells the observer, if there is one.
func (e *Engine) begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(err error, attrs ...slog.Attr)) {
	if e.Observer == nil {
		return ctx, func(error, ...slog.Attr) {}
	}
	return e.Observer.Begin(ctx, what, attrs...)
}

// observed tells the observer, if there is one, that a run is over. One that ended red is
// an error, also where none came.
func (rep *Report) observed(ctx context.Context, o Observer, end func(err error, attrs ...slog.Attr)) {
	if o == nil {
		return
	}
	err := rep.Err
	if err == nil && (rep.Outcome == Failed || rep.Outcome == Stalled) {
		err = errors.New(rep.Message)
	}
	end(err, slog.String("outcome", string(rep.Outcome)), slog.String("reason", rep.Reason),
		slog.Int64("fetched", rep.Counts.Fetched), slog.Int64("acknowledged", rep.Counts.Acknowledged),
		slog.Int64("filtered", rep.Counts.Filtered), slog.Int64("quarantined", rep.Counts.Quarantined),
		slog.Int64("pages", rep.Pages), slog.Float64("backlog_s", rep.Backlog.Seconds()))
	o.Ran(ctx, rep)
}
