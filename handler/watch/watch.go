// Package watch tells those who watch a process that stays how it is: /healthz whether it
// still does what it is there for, /readyz whether all that is configured works, and
// /metrics what its runs did, as Prometheus reads it.
package watch

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Watch knows of the runs of a process. Several goroutines may use it.
type Watch struct {
	now      func() time.Time
	registry *prometheus.Registry
	measures measures

	mu   sync.Mutex
	jobs map[string]*job
	last map[stream]*engine.Report // a copy, without its error
}

// stream names one of a connection; "" is for a connection that cannot run.
type stream struct{ connection, stream string }

// job is what is done again and again.
type job struct {
	within time.Duration // a run has ended again after so long
	ended  time.Time     // or begun to be watched
}

// New watches from now on.
func New(now func() time.Time, version string) *Watch {
	w := &Watch{now: now, registry: prometheus.NewRegistry(), jobs: map[string]*job{}, last: map[stream]*engine.Report{}}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_build_info", Help: "The version that runs."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	w.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w.measures = newMeasures(w.registry)
	return w
}

// Expect says which connections there are, and that runs of each end at least so often.
// What was known of others is forgotten.
func (w *Watch) Expect(within map[string]time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.jobs)
	for connection, d := range within {
		w.jobs[connection] = &job{d, w.now()}
	}
	maps.DeleteFunc(w.last, func(key stream, _ *engine.Report) bool { return w.jobs[key.connection] == nil })
}

// Ended says that a run of a connection has come to its end, however it went.
func (w *Watch) Ended(connection string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if j := w.jobs[connection]; j != nil {
		j.ended = w.now()
	}
}

// Forget expects nothing more of a connection that is configured no more.
func (w *Watch) Forget(connection string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, connection)
	maps.DeleteFunc(w.last, func(key stream, _ *engine.Report) bool { return key.connection == connection })
}

// Report counts what the run of a stream did.
func (w *Watch) Report(rep *engine.Report) {
	w.measures.count(rep)
	w.mu.Lock()
	defer w.mu.Unlock()
	key := stream{rep.Connection, rep.Stream}
	if rep.Stream != "" {
		delete(w.last, stream{rep.Connection, ""}) // it can run again
	}
	w.last[key] = &engine.Report{Connection: rep.Connection, Stream: rep.Stream, Outcome: rep.Outcome, Reason: rep.Reason}
}

// Handler answers /healthz, /readyz and /metrics. What it says names connections, streams
// and reasons, and nothing that a provider said.
func (w *Watch) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answer(w.stuck))
	mux.HandleFunc("GET /readyz", answer(w.unready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{}))
	return mux
}

// answer is 200 when nothing is wrong, else 503 with what is, a line each.
func answer(wrong func() []string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		lines := wrong()
		if len(lines) == 0 {
			fmt.Fprintln(rw, "ok")
			return
		}
		rw.WriteHeader(http.StatusServiceUnavailable)
		for _, line := range lines {
			fmt.Fprintln(rw, line)
		}
	}
}

// stuck are the connections none of whose runs has ended for too long: a restart helps
// where something hangs.
func (w *Watch) stuck() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, j := range w.jobs {
		if since := w.now().Sub(j.ended); since > j.within {
			lines = append(lines, fmt.Sprintf("%s: no run has ended for %s", name, since.Round(time.Second)))
		}
	}
	slices.Sort(lines)
	return lines
}

// unready are the streams that have not run yet, and those whose last run failed.
func (w *Watch) unready() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ran := map[string]bool{}
	for key, rep := range w.last {
		ran[key.connection] = true
		if rep.Outcome == engine.Failed || rep.Outcome == engine.Stalled {
			lines = append(lines, fmt.Sprintf("%s/%s: %s (%s)", key.connection, key.stream, rep.Outcome, cmp.Or(rep.Reason, "error")))
		}
	}
	for name := range w.jobs {
		if !ran[name] {
			lines = append(lines, name+": has not run yet")
		}
	}
	slices.Sort(lines)
	return lines
}
