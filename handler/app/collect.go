package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/local"
	"github.com/sluice-connectors/sluice/handler/schedule"
)

// CollectAll collects connections side by side within budget. The reports come in
// the order of the connections and of their streams. Where there are more
// connections than run at a time, each gets an equal part of the time.
func (a *App) CollectAll(ctx context.Context, conns []*Connection, budget time.Duration) []engine.Report {
	deadline := time.Now().Add(budget)
	reps := make([][]engine.Report, len(conns))
	var group errgroup.Group
	group.SetLimit(cap(a.slots))
	for i, c := range conns {
		group.Go(func() error {
			reps[i] = a.CollectOne(ctx, c, share(deadline, cap(a.slots), len(conns)-i))
			return nil
		})
	}
	_ = group.Wait()
	Flush(ctx) // the process may be frozen, or end
	return slices.Concat(reps...)
}

// share is the time for one of so many that are still to do, width at a time.
func share(deadline time.Time, width, left int) time.Duration {
	whole := time.Until(deadline)
	return max(min(whole, whole*time.Duration(width)/time.Duration(left)), time.Second)
}

// CollectOne collects a connection within budget, as soon as there is a slot for it.
func (a *App) CollectOne(ctx context.Context, c *Connection, budget time.Duration) []engine.Report {
	deadline := time.Now().Add(budget)
	turn, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-turn.Done():
		return a.noTurn(ctx, c, c.Prepared...)
	}
	if c = a.mended(c); c.Err != nil {
		return []engine.Report{a.engineOf(ctx).Refuse(ctx, c.Name, c.ConnectorName, c.Err)}
	}
	if len(c.Prepared) == 0 {
		return nil // it is configured no more
	}
	return a.collectStreams(ctx, c, deadline)
}

type logKey struct{}

// WithLog is a context whose run logs to log.
func WithLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, logKey{}, log)
}

// engineOf is the engine, with the log that the run of ctx has.
func (a *App) engineOf(ctx context.Context) *engine.Engine {
	log, ok := ctx.Value(logKey{}).(*slog.Logger)
	if !ok {
		return a.Engine
	}
	e := *a.Engine
	e.Log = log
	return &e
}

// noTurn reports that others took all the time there was for these streams.
func (a *App) noTurn(ctx context.Context, c *Connection, list ...*engine.Stream) (reps []engine.Report) {
	for _, s := range list {
		rep := engine.Report{Connection: c.Name, Connector: c.ConnectorName, Stream: s.Label(), Table: s.Table(), Outcome: engine.Partial, Reason: "budget",
			Message: "its turn did not come within the run's time; the next one goes on", Started: a.Clock.Now(), Version: a.Version}
		a.Note(ctx, &rep)
		reps = append(reps, rep)
	}
	return reps
}

// overtime is how long after the end of a run's time streams may still begin, which
// get a second each: it is shorter than what the host leaves.
const overtime = 10 * time.Second

// collectStreams runs the streams of a connection, as many at a time as its
// connector and the process's memory allow. The reports come in the order of the streams.
func (a *App) collectStreams(ctx context.Context, c *Connection, deadline time.Time) []engine.Report {
	width := max(c.Connector.Limits.Concurrency, 1)
	byStream := make([][]engine.Report, len(c.Prepared))
	turn, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(overtime))
	defer cancel()
	var group errgroup.Group
	group.SetLimit(width)
	for i, s := range c.Prepared {
		group.Go(func() error {
			mine, err := a.room.Enter(turn)
			if err != nil {
				byStream[i] = a.noTurn(ctx, c, s)
				return nil
			}
			defer mine.Leave()
			byStream[i] = a.engineOf(ctx).Collect(mine.In(ctx), s, share(deadline, width, len(c.Prepared)-i))
			return nil
		})
	}
	_ = group.Wait()
	return slices.Concat(byStream...)
}

// stagger is how long after its tick a connection is collected: always as long, so that its
// runs come at the pace of its schedule, and not as long as others, so that a hundred of
// one schedule do not all call at the same second.
func stagger(name string, s schedule.Schedule, now time.Time) time.Duration {
	next := s.Next(now)
	most := min(s.Next(next).Sub(next)/10, 30*time.Second)
	sum := sha256.Sum256([]byte(name))
	part := uint64(binary.BigEndian.Uint32(sum[:])) // of 2^32
	return time.Duration(uint64(most.Milliseconds())*part>>32) * time.Millisecond
}

// Jobs run connections on their schedules, a little apart, each run within budget; done
// hears of each stream's.
func (a *App) Jobs(conns []*Connection, budget time.Duration, done func(rep *engine.Report)) (jobs []local.Job, err error) {
	for _, c := range conns {
		s, err := schedule.Parse(c.Schedule)
		if err != nil {
			return nil, fmt.Errorf("connection %s: %w", c.Name, err)
		}
		jobs = append(jobs, local.Job{Name: c.Name, Schedule: s, After: stagger(c.Name, s, a.Clock.Now()), Run: func(ctx context.Context) {
			for _, rep := range a.CollectOne(ctx, c, budget) {
				done(&rep)
			}
		}})
	}
	return jobs, nil
}
