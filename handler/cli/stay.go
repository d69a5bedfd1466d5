package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/local"
	"github.com/sluice-connectors/sluice/handler/watch"
)

// staying is a call of run --schedule: it collects on the connections' schedules, and
// reads its configuration again when that has changed.
type staying struct {
	std        *stdio
	path       string // of sluice.yaml; "": app settings, which do not change
	connection string // the only one, or ""
	budget     time.Duration
	output     string
	watched    watching
	open       func() (*app.App, error) // reads the configuration

	changed <-chan struct{} // nil: SIGHUP, and the file
	mu      sync.Mutex      // of the output
}

// canRun reports whether any connection can.
func canRun(conns []*app.Connection) bool {
	return slices.ContainsFunc(conns, func(c *app.Connection) bool { return c.Err == nil })
}

// run collects until ctx ends.
func (s *staying) run(ctx context.Context, a *app.App) error {
	w := watch.New(a.Clock.Now, app.Version())
	if err := s.watched.serve(ctx, a.Log, w); err != nil {
		return err
	}
	if s.changed == nil {
		changed, stop := s.changes(ctx)
		defer stop()
		s.changed = changed
	}
	defer app.Flush(ctx)
	for a != nil {
		conns, err := a.Find(s.connection)
		if err != nil {
			return err
		}
		a.Reload = func() (*config.Config, error) { return app.Load(s.path, nil) }
		jobs, err := a.Jobs(conns, s.budget, func(rep *engine.Report) {
			w.Report(rep)
			s.print(a, rep)
		})
		if err != nil {
			return err
		}
		for i, c := range conns {
			run := jobs[i].Run
			jobs[i].Run = func(ctx context.Context) {
				if run(ctx); a.Gone(c) {
					w.Forget(c.Name)
				}
			}
		}
		a = s.until(ctx, a, watchedJobs(w, a.Clock.Now(), jobs, s.budget))
	}
	return nil
}

// until runs jobs until ctx ends, and returns nil; or until the configuration has changed,
// and returns what it is then. Runs under way come to their next page before.
func (s *staying) until(ctx context.Context, a *app.App, jobs []local.Job) *app.App {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() {
		local.Run(running, a.Clock, jobs)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return nil
		case <-s.changed:
		}
		next, err := s.open()
		if err == nil {
			_, err = next.Find(s.connection)
		}
		if err == nil && !canRun(next.Connections()) {
			err = errors.New("no connection of it can run")
		}
		if err != nil {
			a.Log.Error("the configuration has changed, and is not taken", "error", err)
			continue
		}
		a.Log.Info("the configuration has changed, and is taken", "connections", len(next.Connections()))
		stop()
		<-ended
		if ctx.Err() != nil {
			return nil
		}
		return next
	}
}

func (s *staying) print(a *app.App, rep *engine.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.output == "text" {
		fmt.Fprintf(s.std.out, "%s  %s\n", a.Clock.Now().Format(time.RFC3339), line(rep))
	} else if b, err := json.Marshal(rep); err == nil {
		fmt.Fprintf(s.std.out, "%s\n", b)
	}
}

// lookEvery is how often is looked whether sluice.yaml has changed.
const lookEvery = 5 * time.Second

// changes tells of SIGHUP, and of a file that has changed.
func (s *staying) changes(ctx context.Context) (changed <-chan struct{}, stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	tick := time.NewTicker(lookEvery)
	out := make(chan struct{})
	go tell(ctx, out, hup, tick.C, stateOf(s.path))
	return out, func() { signal.Stop(hup); tick.Stop() }
}

// tell sends to out at each signal, and when state is another at a tick.
func tell(ctx context.Context, out chan<- struct{}, hup <-chan os.Signal, tick <-chan time.Time, state func() string) {
	was := state()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-tick:
			if is := state(); is == was || is == "" {
				continue
			}
		}
		was = state()
		select {
		case out <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// stateOf tells a file from what it was; "": it is not there, for the moment or at all.
func stateOf(path string) func() string {
	return func() string {
		info, err := os.Stat(path)
		if path == "" || err != nil {
			return ""
		}
		return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size())
	}
}
