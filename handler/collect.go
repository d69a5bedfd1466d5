package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/local"
	"github.com/sluice-connectors/sluice/handler/schedule"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// sideBySide is how many connections are collected at a time, however they are run.
const sideBySide = 8

// app is a configuration, ready to run.
type app struct {
	*engine.Engine
	workspace config.Workspace
	slots     chan struct{} // one for each connection that is being collected
	room      *engine.Room  // what their streams may hold together
	// reload reads the configuration again, for what was wrong with a connection
	// may have been mended; nil: that is not looked for.
	reload func() (*config.Config, error)

	mu    sync.Mutex
	conns []*connection // in their order; what changes is put in the place of what was
}

// connection is a configured connection with its streams, or with the reason why
// it cannot run.
type connection struct {
	config.Resolved
	connector string // its name, as far as it is known
	streams   []*engine.Stream
	err       error
}

// prepare makes the connections of a configuration.
func (a *app) prepare(c *config.Config) {
	a.conns = make([]*connection, len(c.Connections)+len(c.Broken))
	for i := range c.Connections {
		conn := a.open(&c.Connections[i])
		a.conns[conn.At] = conn
	}
	for i := range c.Broken {
		conn := cannotRun(&c.Broken[i])
		a.conns[conn.At] = conn
	}
	for _, w := range c.Warnings {
		a.Log.Warn(w)
	}
	for _, conn := range a.conns {
		if conn.err != nil {
			a.Log.Error("a connection cannot run; it stops no other", "connection", conn.Name, "error", conn.err)
		}
	}
}

func (a *app) open(res *config.Resolved) *connection {
	conn := &connection{Resolved: *res, connector: res.Connector.Name}
	if conn.streams, conn.err = newStreams(res, a.Store, res.Streams()); conn.err != nil {
		conn.err = fmt.Errorf("connection %s: %w", res.Name, conn.err)
	}
	return conn
}

func cannotRun(b *config.Broken) *connection {
	return &connection{Resolved: config.Resolved{At: b.At, Name: b.Name, Schedule: cmp.Or(b.Schedule, spec.DefaultSchedule)}, connector: b.Connector, err: b.Err}
}

// connections are all of them, as they are now.
func (a *app) connections() []*connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.conns)
}

// find returns the connections called name, or all for "".
func (a *app) find(name string) ([]*connection, error) {
	all := a.connections()
	if name == "" {
		return all, nil
	}
	var found []*connection
	var names []string
	for _, c := range all {
		if c.Name == name {
			found = append(found, c)
		}
		names = append(names, c.Name)
	}
	if len(found) == 0 {
		return nil, usageError("there is no connection %q; there are %s", name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	return found, nil
}

// one returns the connection called name, which can run.
func (a *app) one(name string) (*connection, error) {
	found, err := a.find(name)
	if err != nil {
		return nil, err
	}
	return found[0], found[0].err
}

// mended is what a connection is now: one that could not run is looked at again,
// and the others are left alone.
func (a *app) mended(c *connection) *connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	c = a.conns[c.At]
	if c.err == nil || a.reload == nil {
		return c
	}
	cfg, err := a.reload()
	if err != nil {
		again := *c
		again.err = err
		return &again
	}
	for i := range cfg.Broken {
		if b := &cfg.Broken[i]; b.At == c.At && b.Name == c.Name {
			a.conns[c.At] = cannotRun(b)
		}
	}
	runs := func(name string) bool {
		return slices.ContainsFunc(a.conns, func(c *connection) bool { return c.Name == name && c.err == nil })
	}
	for i := range cfg.Connections {
		if res := cfg.Connections[i]; res.Name == c.Name && !runs(c.Name) {
			res.At = c.At // the file may have more than it had
			a.conns[c.At] = a.open(&res)
		}
	}
	return a.conns[c.At]
}

// collectAll collects connections side by side within budget. The reports come in
// the order of the connections and of their streams. Where there are more
// connections than run at a time, each gets an equal part of the time.
func (a *app) collectAll(ctx context.Context, conns []*connection, budget time.Duration) []engine.Report {
	deadline := time.Now().Add(budget)
	reps := make([][]engine.Report, len(conns))
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for i, c := range conns {
		group.Go(func() error {
			reps[i] = a.collect(ctx, c, share(deadline, sideBySide, len(conns)-i))
			return nil
		})
	}
	_ = group.Wait()
	return slices.Concat(reps...)
}

// share is the time for one of so many that are still to do, width at a time.
func share(deadline time.Time, width, left int) time.Duration {
	whole := time.Until(deadline)
	return max(min(whole, whole*time.Duration(width)/time.Duration(left)), time.Second)
}

// collect collects a connection within budget, as soon as there is a slot for it.
func (a *app) collect(ctx context.Context, c *connection, budget time.Duration) []engine.Report {
	deadline := time.Now().Add(budget)
	turn, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-turn.Done():
		return a.noTurn(c, c.streams...)
	}
	if c = a.mended(c); c.err != nil {
		return []engine.Report{a.engineOf(ctx).Refuse(ctx, c.Name, c.connector, c.err)}
	}
	return a.collectStreams(ctx, c, deadline)
}

// engineOf is the engine, with the log that the run of ctx has.
func (a *app) engineOf(ctx context.Context) *engine.Engine {
	log, ok := ctx.Value(logKey{}).(*slog.Logger)
	if !ok {
		return a.Engine
	}
	e := *a.Engine
	e.Log = log
	return &e
}

// noTurn reports that others took all the time there was for these streams.
func (a *app) noTurn(c *connection, list ...*engine.Stream) (reps []engine.Report) {
	for _, s := range list {
		reps = append(reps, engine.Report{Connection: c.Name, Connector: c.connector, Stream: s.Label(), Table: s.Table, Outcome: engine.Partial, Reason: "budget",
			Message: "its turn did not come within the run's time; the next one goes on", Started: a.Clock.Now(), Version: a.Version})
	}
	return reps
}

// overtime is how long after the end of a run's time streams may still begin, which
// get a second each: it is shorter than what the host leaves.
const overtime = 10 * time.Second

// collectStreams runs the streams of a connection, as many at a time as its
// connector and the process's memory allow. The reports come in the order of the streams.
func (a *app) collectStreams(ctx context.Context, c *connection, deadline time.Time) []engine.Report {
	width := max(c.Connector.Limits.Concurrency, 1)
	byStream := make([][]engine.Report, len(c.streams))
	turn, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(overtime))
	defer cancel()
	var group errgroup.Group
	group.SetLimit(width)
	for i, s := range c.streams {
		group.Go(func() error {
			mine, err := a.room.Enter(turn)
			if err != nil {
				byStream[i] = a.noTurn(c, s)
				return nil
			}
			defer mine.Leave()
			byStream[i] = a.engineOf(ctx).Collect(mine.In(ctx), s, share(deadline, width, len(c.streams)-i))
			return nil
		})
	}
	_ = group.Wait()
	return slices.Concat(byStream...)
}

// jobs run connections on their schedules, each run within budget; done hears of each
// stream's.
func (a *app) jobs(conns []*connection, budget time.Duration, done func(rep *engine.Report)) (jobs []local.Job, err error) {
	for _, c := range conns {
		s, err := schedule.Parse(c.Schedule)
		if err != nil {
			return nil, fmt.Errorf("connection %s: %w", c.Name, err)
		}
		jobs = append(jobs, local.Job{Name: c.Name, Schedule: s, Run: func(ctx context.Context) {
			for _, rep := range a.collect(ctx, c, budget) {
				done(&rep)
			}
		}})
	}
	return jobs, nil
}
