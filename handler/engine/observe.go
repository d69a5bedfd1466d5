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
	// Ran is called when a run is over, and when one was reported that did not begin.
	Ran(ctx context.Context, rep *Report)
}

// begin tells the observer, if there is one.
func (e *Engine) begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(err error, attrs ...slog.Attr)) {
	if e.Observer == nil {
		return ctx, func(error, ...slog.Attr) {}
	}
	return e.Observer.Begin(ctx, what, attrs...)
}

// Note tells the observer, if there is one, of a report that comes of no run: of a
// connection that is refused, of a stream whose turn did not come.
func (e *Engine) Note(ctx context.Context, rep *Report) {
	ctx, end := e.beginRun(ctx, rep)
	rep.observed(ctx, e.Observer, end)
}

func (e *Engine) beginRun(ctx context.Context, rep *Report) (context.Context, func(err error, attrs ...slog.Attr)) {
	return e.begin(ctx, "run", slog.String("connection", rep.Connection), slog.String("connector", rep.Connector), slog.String("stream", rep.Stream), slog.String("table", rep.Table))
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
	attrs := []slog.Attr{slog.String("outcome", string(rep.Outcome)), slog.String("reason", rep.Reason),
		slog.Int64("fetched", rep.Counts.Fetched), slog.Int64("acknowledged", rep.Counts.Acknowledged),
		slog.Int64("filtered", rep.Counts.Filtered), slog.Int64("quarantined", rep.Counts.Quarantined), slog.Int64("pages", rep.Pages)}
	if !rep.Position.IsZero() { // else it is not known
		attrs = append(attrs, slog.Float64("backlog_s", rep.Backlog.Seconds()))
	}
	end(err, attrs...)
	o.Ran(ctx, rep)
}
