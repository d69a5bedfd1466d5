package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/sluice-connectors/sluice/handler/azblob"
	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/stream"
)

// process is a running Sluice. It dies with all its goroutines.
type process struct {
	w      *World
	id     int
	dead   atomic.Bool
	death  chan struct{}
	frozen time.Time // until then none of its calls goes on
}

// spawn starts a process that runs the stream again and again until the storm
// is over; another takes the place of one that dies.
func (w *World) spawn(delay time.Duration) {
	p := w.newProcess()
	w.running.Go(func() {
		time.Sleep(delay)
		for !w.calm.Load() {
			began := time.Now()
			p.run()
			time.Sleep(max(0, w.Every-time.Since(began)))
		}
	})
}

// die ends the process in the midst of a call.
func (p *process) die() {
	p.dead.Store(true)
	close(p.death)
	p.w.deaths++
	p.w.oracle.excuse()
	if !p.w.calm.Load() {
		p.w.spawn(time.Duration(1+p.w.rng.IntN(240)) * time.Second)
	}
	runtime.Goexit()
}

// run is one run of a process, from opening the store on; it returns the report
// of the live lane, or nothing when the store could not be opened.
func (p *process) run() (live engine.Report, ok bool) {
	e, s, err := p.open()
	if err != nil {
		p.w.oracle.last = err.Error()
		return live, false
	}
	reps := e.Collect(context.Background(), s, p.w.Budget)
	for _, rep := range reps {
		p.w.oracle.ran(rep)
	}
	return reps[0], true
}

// once is a run of a new process, which is waited for; not ok when it died.
func (w *World) once() (rep engine.Report, ok bool) {
	p := w.newProcess()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		rep, ok = p.run()
	}()
	<-ended
	return rep, ok
}

func (w *World) newProcess() *process {
	w.processes++
	return &process{w: w, id: w.processes, death: make(chan struct{})}
}

// open puts the production parts together, as the program does.
func (p *process) open() (*engine.Engine, *engine.Stream, error) {
	w := p.w
	store, err := p.store()
	if err != nil {
		return nil, nil, err
	}
	rules := map[string]logsingest.CollectionRule{}
	for table := range w.sink.tables {
		rules[table] = logsingest.CollectionRule{ID: ruleID, Stream: "Custom-" + table, Endpoint: "https://sim.ingest.monitor.azure.com"}
	}
	sink, err := logsingest.New(rules, logsingest.None{}, cloud.AzurePublic, &wire{p, "sink", w.sink})
	if err != nil {
		return nil, nil, err
	}
	e := sentinel.NewEngine(store, sink, slog.New(slog.DiscardHandler))
	e.PartIDs = 16 // so that there are parts in small worlds
	e.Holder, e.BatchBytes, e.InFlight = fmt.Sprintf("process %d", p.id), w.BatchBytes, w.InFlight
	c := w.API.connector(w.Resize > 0 && time.Since(w.began) > w.Resize)
	conn, err := rest.Open(c, rest.Options{Settings: w.API.settings, Transport: roundTripper{&wire{p, "provider", w.provider}}, UserAgent: "Sluice/simulated"})
	if err != nil {
		return nil, nil, err
	}
	s, err := stream.New(conn, c.Stream(w.API.streamName), "")
	if err != nil {
		return nil, nil, err
	}
	s.Start = w.start
	return e, s, nil
}

func (p *process) store() (engine.Store, error) {
	if p.w.Folder != "" {
		s, err := dir.Open(p.w.Folder)
		return &gatedStore{p, s}, err
	}
	return azblob.Open(context.Background(), "https://sim.blob.core.windows.net/sluice", logsingest.None{}, &wire{p, "store", p.w.blobs})
}

// wire carries the requests of a process to a simulated service.
type wire struct {
	p       *process
	service string
	to      http.Handler
}

// Do implements policy.Transporter.
func (x *wire) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	key := req.Method + " " + req.URL.String()
	if !strings.Contains(strings.ToLower(key), "health") { // which holds error texts, and those of timeouts vary
		h := fnv.New32a()
		_, _ = h.Write(body)
		key += fmt.Sprintf(" %08x", h.Sum32())
	}
	var resp *http.Response
	var failed error
	err := x.p.step(req.Context(), x.service, key, func() time.Duration {
		f := x.p.w.fault(x.service, req)
		if f.before != nil {
			failed = f.before
			return f.delay
		}
		rec := httptest.NewRecorder()
		if f.answer != nil {
			f.answer(rec)
		} else {
			x.to.ServeHTTP(rec, received(req, body))
		}
		resp = rec.Result()
		resp.Request = req
		if f.change != nil {
			f.change(resp)
		}
		failed = f.after
		return f.delay
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return resp, nil
}

// received is a request as a server gets it.
func received(req *http.Request, body []byte) *http.Request {
	r := req.Clone(req.Context())
	r.Header = http.Header{}
	for k, v := range req.Header {
		r.Header[http.CanonicalHeaderKey(k)] = v
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// roundTripper is a wire as package net/http wants it.
type roundTripper struct{ *wire }

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r.Do(req) }

// gatedStore is a store whose calls wait for their turn, and fail at times.
type gatedStore struct {
	p *process
	s engine.Store
}

func (g *gatedStore) call(ctx context.Context, op, name string, effect func() error) error {
	var failed error
	err := g.p.step(ctx, "store", op+" "+name, func() time.Duration {
		f := g.p.w.folderFault()
		if f.before != nil {
			failed = f.before
			return f.delay
		}
		failed = effect()
		if f.after != nil {
			failed = f.after
		}
		return f.delay
	})
	return errors.Join(err, failed)
}

// Generations implements engine.Store.
func (g *gatedStore) Generations(ctx context.Context, name string) (gens []engine.Generation, err error) {
	err = g.call(ctx, "generations", name, func() (err error) { gens, err = g.s.Generations(ctx, name); return err })
	return gens, err
}

// Append implements engine.Store.
func (g *gatedStore) Append(ctx context.Context, name string, after int64, data []byte) error {
	return g.call(ctx, "append", name, func() error {
		err := g.s.Append(ctx, name, after, data)
		if err == nil {
			g.p.w.oracle.wrote(name, after+1, data)
		}
		return err
	})
}

// Put implements engine.Store.
func (g *gatedStore) Put(ctx context.Context, name string, data []byte) error {
	return g.call(ctx, "put", name, func() error {
		g.p.w.oracle.wrote(name, 0, data)
		return g.s.Put(ctx, name, data)
	})
}

// AddLine implements engine.Store.
func (g *gatedStore) AddLine(ctx context.Context, name string, line []byte) error {
	return g.call(ctx, "add line", name, func() error {
		g.p.w.oracle.wrote(name, 0, line)
		return g.s.AddLine(ctx, name, line)
	})
}

// Get implements engine.Store.
func (g *gatedStore) Get(ctx context.Context, name string) (data []byte, err error) {
	err = g.call(ctx, "get", name, func() (err error) { data, err = g.s.Get(ctx, name); return err })
	return data, err
}

// Delete implements engine.Store.
func (g *gatedStore) Delete(ctx context.Context, name string) error {
	return g.call(ctx, "delete", name, func() error { return g.s.Delete(ctx, name) })
}

// List implements engine.Store.
func (g *gatedStore) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return g.s.List(ctx, prefix)
}
