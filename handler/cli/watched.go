package cli

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sluice-connectors/sluice/handler/local"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/watch"
)

// watching is how a process that stays lets itself be watched.
type watching struct {
	listen  string
	profile bool
}

// check refuses what would show more than it should, or nothing.
func (o watching) check(stays bool) error {
	switch host, _, err := net.SplitHostPort(o.listen); {
	case o.listen == "" && o.profile:
		return usageError("--pprof is served where --listen says: give --listen 127.0.0.1:9090")
	case o.listen == "":
		return nil
	case !stays:
		return usageError("--listen is for a process that stays: give --schedule too")
	case err != nil:
		return usageError("--listen is %q, want HOST:PORT such as 127.0.0.1:9090, or :9090 for all addresses", o.listen)
	case o.profile && !netguard.Loopback(host):
		return usageError("--pprof shows what the process has in memory: it is served on this machine only, with --listen 127.0.0.1:9090")
	}
	return nil
}

// serve answers those who watch until ctx ends. Off this machine nothing else is served, by
// whatever name it is asked.
func (o watching) serve(ctx context.Context, log *slog.Logger, w *watch.Watch) error {
	if o.listen == "" {
		return nil
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return usageError("--listen %s: %v", o.listen, err)
	}
	srv := netguard.OpenServer(w.Handler(), log)
	if host, _, _ := net.SplitHostPort(o.listen); netguard.Loopback(host) {
		srv = netguard.Server(o.local(w), log)
	}
	log.Info("to be watched", "address", "http://"+ln.Addr().String(), "pprof", o.profile)
	go srv.Serve(ln)
	context.AfterFunc(ctx, func() { srv.Close() })
	return nil
}

// watchedJobs are jobs that tell w when a run has ended; w expects no others.
func watchedJobs(w *watch.Watch, now time.Time, jobs []local.Job, budget time.Duration) []local.Job {
	within := map[string]time.Duration{}
	for i := range jobs {
		j := &jobs[i]
		next := j.Schedule.Next(now)
		within[j.Name] = 2*j.Schedule.Next(next).Sub(next) + j.After + budget + time.Minute
		run := j.Run
		j.Run = func(ctx context.Context) {
			run(ctx)
			w.Ended(j.Name)
		}
	}
	w.Expect(within)
	return jobs
}

// local is what is served on this machine.
func (o watching) local(w *watch.Watch) http.Handler {
	r := chi.NewRouter()
	if o.profile {
		r.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		r.HandleFunc("/debug/pprof/profile", pprof.Profile)
		r.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		r.HandleFunc("/debug/pprof/trace", pprof.Trace)
		r.HandleFunc("/debug/pprof/*", pprof.Index)
	}
	r.NotFound(w.Handler().ServeHTTP)
	return r
}
