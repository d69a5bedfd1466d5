package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// seen is an Observer that keeps what it is told of.
type seen []engine.Report

func (*seen) Begin(ctx context.Context, _ string, _ ...slog.Attr) (context.Context, func(error, ...slog.Attr)) {
	return ctx, func(error, ...slog.Attr) {}
}

func (s *seen) Ran(_ context.Context, rep *engine.Report) { *s = append(*s, *rep) }

// TestEveryReportIsObserved: also that of a stream whose turn did not come.
func TestEveryReportIsObserved(t *testing.T) {
	got := &seen{}
	a := &App{Engine: sentinel.NewEngine(memory.NewStore(), memory.NewSink(), slog.New(slog.DiscardHandler)), slots: make(chan struct{})} // there is none
	a.Observer, a.Clock = got, memory.NewClock(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	c := &Connection{ConnectorName: "okta", Prepared: []*engine.Stream{{Name: "a", Tables: []engine.Table{{Name: "T_CL"}}}, {Name: "b", Tables: []engine.Table{{Name: "T_CL"}}}}}
	reps := a.CollectOne(t.Context(), c, -time.Second)
	if len(reps) != 2 || len(*got) != 2 || (*got)[1].Stream != "b" || (*got)[1].Reason != "budget" {
		t.Errorf("reports %+v\nobserved %+v", reps, *got)
	}
}
