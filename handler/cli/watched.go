package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sluice-connectors/sluice/handler/app"
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

// start serves what there is to watch of jobs until ctx ends. It returns the jobs as they
// are watched. Off this machine nothing else is served, by whatever name it is asked.
func (o watching) start(ctx context.Context, a *app.App, w *watch.Watch, jobs []local.Job, budget time.Duration) ([]local.Job, error) {
	if o.listen == "" {
		return jobs, nil
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, usageError("--listen %s: %v", o.listen, err)
	}
	for i := range jobs {
		j := &jobs[i]
		next := j.Schedule.Next(a.Clock.Now())
		w.Expect(j.Name, 2*j.Schedule.Next(next).Sub(next)+j.After+budget+time.Minute)
		run := j.Run
		j.Run = func(ctx context.Context) {
			run(ctx)
			w.Ended(j.Name)
		}
	}
	srv := &http.Server{Handler: http.MaxBytesHandler(w.Handler(), 1<<16), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	if host, _, _ := net.SplitHostPort(o.listen); netguard.Loopback(host) {
		srv = netguard.Server(o.local(w), a.Log)
	}
	a.Log.Info("to be watched", "address", "http://"+ln.Addr().String(), "pprof", o.profile)
	go srv.Serve(ln)
	context.AfterFunc(ctx, func() { srv.Close() })
	return jobs, nil
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
