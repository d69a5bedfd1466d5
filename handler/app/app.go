// Package app is what a configuration becomes when it runs: its store, its sink and its
// connections with their streams, and the one policy by which these are collected, however
// they are called: side by side, within a time and within a memory.
package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/logsquery"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// SideBySide is how many connections are collected at a time unless somebody says
// otherwise: they wait for their providers most of the time, and what they hold has a limit
// of its own.
func SideBySide() int { return min(max(8, 4*runtime.GOMAXPROCS(0)), 32) }

// App is a configuration, ready to run.
type App struct {
	*engine.Engine
	Workspace config.Workspace
	slots     chan struct{} // one for each connection that is being collected
	room      *engine.Room  // what their streams may hold together
	// Reload reads the configuration again, for what was wrong with a connection
	// may have been mended; nil: that is not looked for.
	Reload func() (*config.Config, error)

	mu    sync.Mutex
	conns []*Connection // in their order; what changes is put in the place of what was
}

// Options are the policy of runs, where it is not to be that of the machine.
type Options struct {
	SideBySide int // connections that are collected at a time
	Memory     int // bytes that all streams may hold together
}

// New opens store and sink and prepares the streams. What is wrong with a
// connection stops no other: it is logged, and reported by each run.
func New(ctx context.Context, c *config.Config, log *slog.Logger, opt Options) (*App, error) {
	cred, err := Credential(c.Workspace)
	if err != nil {
		return nil, err
	}
	store, err := OpenStore(ctx, c.Store, cred)
	if err != nil {
		return nil, err
	}
	rules := map[string]logsingest.CollectionRule{}
	for table, r := range c.Workspace.Rules {
		rules[table] = logsingest.CollectionRule{ID: r.ID, Stream: r.Stream, Endpoint: cmp.Or(r.Endpoint, c.Workspace.Endpoint)}
	}
	sink, err := logsingest.New(rules, cred, Clouds[c.Workspace.Cloud].Config, nil)
	if err != nil {
		return nil, err
	}
	a := &App{Engine: sentinel.NewEngine(store, sink, log), Workspace: c.Workspace, slots: make(chan struct{}, cmp.Or(opt.SideBySide, SideBySide())), room: engine.NewRoom(cmp.Or(opt.Memory, memoryForRuns(debug.SetMemoryLimit(-1))))}
	a.Holder, a.Alive, a.Engine.Version = Holder(), Alive, Version()
	a.observe(ctx, log)
	a.prepare(c)
	return a, nil
}

// ReadBack reads back what a workspace has.
func (a *App) ReadBack() (*logsquery.Client, error) { return OpenQuery(a.Workspace) }

// Connection is a configured connection with its streams, or with the reason why
// it cannot run.
type Connection struct {
	config.Resolved
	ConnectorName string // the connector's name, as far as it is known
	Prepared      []*engine.Stream
	Err           error // why it cannot run
}

// prepare makes the connections of a configuration.
func (a *App) prepare(c *config.Config) {
	a.conns = make([]*Connection, len(c.Connections)+len(c.Broken))
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
		if conn.Err != nil {
			a.Log.Error("a connection cannot run; it stops no other", "connection", conn.Name, "error", conn.Err)
		}
	}
}

func (a *App) open(res *config.Resolved) *Connection {
	conn := &Connection{Resolved: *res, ConnectorName: res.Connector.Name}
	if conn.Prepared, conn.Err = NewStreams(res, a.Store, a.Log, res.Streams()); conn.Err != nil {
		conn.Err = fmt.Errorf("connection %s: %w", res.Name, conn.Err)
	}
	return conn
}

func cannotRun(b *config.Broken) *Connection {
	return &Connection{Resolved: config.Resolved{At: b.At, Name: b.Name, Schedule: cmp.Or(b.Schedule, spec.DefaultSchedule)}, ConnectorName: b.Connector, Err: b.Err}
}

// Connections are all of them, as they are now.
func (a *App) Connections() []*Connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.conns)
}

// Find returns the connections called name, or all for "".
func (a *App) Find(name string) ([]*Connection, error) {
	all := a.Connections()
	if name == "" {
		return all, nil
	}
	var found []*Connection
	var names []string
	for _, c := range all {
		if c.Name == name {
			found = append(found, c)
		}
		names = append(names, c.Name)
	}
	if len(found) == 0 {
		return nil, &NoConnectionError{name, names}
	}
	return found, nil
}

// NoConnectionError is for a name that no connection has.
type NoConnectionError struct {
	Name  string
	There []string
}

func (e *NoConnectionError) Error() string {
	return fmt.Sprintf("there is no connection %q; there are %s", e.Name, cmp.Or(strings.Join(e.There, ", "), "none"))
}

// One returns the connection called name, which can run.
func (a *App) One(name string) (*Connection, error) {
	found, err := a.Find(name)
	if err != nil {
		return nil, err
	}
	return found[0], found[0].Err
}

// mended is what a connection is now: one that could not run is looked at again,
// and the others are left alone.
func (a *App) mended(c *Connection) *Connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	c = a.conns[c.At]
	if c.Err == nil || a.Reload == nil {
		return c
	}
	cfg, err := a.Reload()
	if err != nil {
		again := *c
		again.Err = err
		return &again
	}
	now := c
	if !slices.ContainsFunc(cfg.Connections, func(res config.Resolved) bool { return res.Name == c.Name }) {
		now = nothing(c)
	}
	for i := range cfg.Broken {
		if b := &cfg.Broken[i]; b.Name == c.Name && (b.At == c.At || now.Err == nil || now == c) {
			now = cannotRun(b)
		}
	}
	now.At = c.At // there may be more of them than there were
	runs := func(name string) bool {
		return slices.ContainsFunc(a.conns, func(c *Connection) bool { return c.Name == name && c.Err == nil })
	}
	for i := range cfg.Connections {
		if res := cfg.Connections[i]; res.Name == c.Name && !runs(c.Name) {
			res.At = c.At
			now = a.open(&res)
		}
	}
	a.conns[c.At] = now
	return now
}

// Gone reports whether nothing is left of a connection, since what was wrong with it was
// mended by taking it away.
func (a *App) Gone(c *Connection) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.conns[c.At]
	return now.Err == nil && len(now.Prepared) == 0
}

// nothing is what is in the place of a connection that is configured no more, or of a
// folder of connectors with which all is well now.
func nothing(c *Connection) *Connection {
	return &Connection{Resolved: config.Resolved{At: c.At, Name: c.Name, Schedule: c.Schedule}, ConnectorName: c.ConnectorName}
}
