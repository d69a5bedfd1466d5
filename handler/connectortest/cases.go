package connectortest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

var update = flag.Bool("update", false, "write the rows and checkpoints that cases expect")

// Case is exchange.yaml: one or more runs of a stream against a scripted
// provider. Beside it rows.json holds the rows that arrive, and checkpoint.json
// what is remembered afterwards.
type Case struct {
	Settings map[string]string `yaml:"settings" required:"true" doc:"Settings of the connection."`
	Start    string            `yaml:"start" required:"true" doc:"Where the first run begins (RFC 3339)."`
	Runs     []CaseRun         `yaml:"runs" required:"true" doc:"The runs, in order."`
}

// CaseRun is one run.
type CaseRun struct {
	Now       string     `yaml:"now" required:"true" doc:"When it begins (RFC 3339)."`
	Exchanges []Exchange `yaml:"exchanges" required:"true" doc:"The requests that are expected, in order, and the answers."`
	Outcome   string     `yaml:"outcome" doc:"How it ends. Default: ok."`
	Reason    string     `yaml:"reason" doc:"The reason code."`
	Slept     string     `yaml:"slept" doc:"How long it waits in all. Default: not at all."`
}

// Exchange is a request and its answer. {origin} in the answer is the
// provider's address.
type Exchange struct {
	Request  CaseRequest  `yaml:"request" required:"true" doc:"What is asked."`
	Response CaseResponse `yaml:"response" required:"true" doc:"What is answered."`
}

// CaseRequest is an expected request. What it does not mention is not looked at,
// but the query is compared whole.
type CaseRequest struct {
	Method  string            `yaml:"method" doc:"Default: GET."`
	Path    string            `yaml:"path" required:"true" doc:"Path."`
	Query   map[string]string `yaml:"query" doc:"All query parameters."`
	Headers map[string]string `yaml:"headers" doc:"Some headers."`
	Body    any               `yaml:"body" doc:"The JSON body."`
}

// CaseResponse is an answer.
type CaseResponse struct {
	Status  int               `yaml:"status" doc:"Default: 200."`
	Headers map[string]string `yaml:"headers" doc:"Headers."`
	Body    any               `yaml:"body" doc:"JSON, as a YAML tree."`
	Text    string            `yaml:"text" doc:"The body as text, instead."`
	File    string            `yaml:"file" doc:"A file beside exchange.yaml that holds the body, instead."`
}

// Cases runs every case below folder, which is a connector's testdata:
// <stream>/<case>/exchange.yaml. Each stream has to have a case.
func Cases(t *testing.T, c *spec.Connector, folder string) {
	for i := range c.Streams {
		s := &c.Streams[i]
		paths, err := filepath.Glob(filepath.Join(folder, s.Name, "*", "exchange.yaml"))
		if err != nil || len(paths) == 0 {
			t.Errorf("stream %s has no case below %s", s.Name, filepath.Join(folder, s.Name))
		}
		for _, p := range paths {
			dir := filepath.Dir(p)
			t.Run(s.Name+"/"+filepath.Base(dir), func(t *testing.T) { runCase(t, c, s, dir) })
		}
	}
}

func runCase(t *testing.T, c *spec.Connector, s *spec.Stream, dir string) {
	path := filepath.Join(dir, "exchange.yaml")
	data, err := os.ReadFile(path)
	must(t, err)
	var cs Case
	_, err = spec.Decode(path, data, &cs)
	must(t, err)
	start, err := time.Parse(time.RFC3339, cs.Start)
	must(t, err)
	clock := NewClock(start)
	p := &provider{t: t, dir: dir, clock: clock}
	srv := httptest.NewServer(p)
	defer srv.Close()
	p.origin = srv.URL

	settings := map[string]string{}
	for _, set := range c.Settings {
		settings[set.Name] = cmp.Or(cs.Settings[set.Name], set.Default)
	}
	stream, err := rest.Stream(c, s, rest.Options{BaseURL: srv.URL, Settings: settings, Now: clock.Now, UserAgent: "Sluice/test"})
	must(t, err)
	stream.Start = start
	sink := NewMemSink()
	e := engine.New(NewMemStore(), sink, slog.New(slog.DiscardHandler))
	e.Clock, e.InFlight = clock, 1
	for i, r := range cs.Runs {
		now, err := time.Parse(time.RFC3339, r.Now)
		must(t, err)
		clock.Advance(now.Sub(clock.Now()))
		clock.Slept = nil
		p.script = r.Exchanges
		rep := e.Run(t.Context(), stream, 10*time.Minute)
		if string(rep.Outcome) != cmp.Or(r.Outcome, "ok") || rep.Reason != r.Reason {
			t.Errorf("run %d is %s (%s: %s), want %s (%s)", i+1, rep.Outcome, rep.Reason, rep.Message, cmp.Or(r.Outcome, "ok"), r.Reason)
		}
		if len(p.script) > 0 {
			t.Errorf("run %d did not ask for %s", i+1, p.script[0].Request.Path)
		}
		var slept time.Duration
		for _, d := range clock.Slept {
			slept += d
		}
		if got := slept.String(); got != cmp.Or(r.Slept, "0s") {
			t.Errorf("run %d waited %s, want %s", i+1, got, cmp.Or(r.Slept, "0s"))
		}
	}
	golden(t, filepath.Join(dir, "rows.json"), sink.Rows())
	cp, _, _, err := engine.LoadCheckpoint(t.Context(), e.Store, stream.Key())
	must(t, err)
	if !cp.Totals.Balanced() {
		t.Errorf("the books do not balance: %+v", cp.Totals)
	}
	golden(t, filepath.Join(dir, "checkpoint.json"), cp)
}

// golden compares got with a JSON file, or writes it with -update.
func golden(t *testing.T, path string, got any) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	must(t, err)
	if *update {
		must(t, os.WriteFile(path, append(text, '\n'), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with go test -update", err)
	}
	var a, b any
	must(t, json.Unmarshal(text, &a))
	must(t, json.Unmarshal(want, &b))
	if d := gocmp.Diff(b, a); d != "" {
		t.Errorf("%s (- want, + got):\n%s", path, d)
	}
}

// provider answers a script, request by request.
type provider struct {
	t      *testing.T
	dir    string
	origin string
	clock  *Clock
	script []Exchange
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", p.clock.Now().Format(http.TimeFormat))
	if len(p.script) == 0 {
		p.t.Errorf("unexpected request: %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	x := p.script[0]
	p.script = p.script[1:]
	p.check(&x.Request, r)
	body := []byte(x.Response.Text)
	if x.Response.File != "" {
		b, err := os.ReadFile(filepath.Join(p.dir, x.Response.File))
		if err != nil {
			p.t.Error(err)
		}
		body = b
	} else if x.Response.Body != nil {
		b, err := json.Marshal(x.Response.Body)
		if err != nil {
			p.t.Error(err)
		}
		body = b
		w.Header().Set("Content-Type", "application/json")
	}
	for k, v := range x.Response.Headers {
		w.Header().Set(k, strings.ReplaceAll(v, "{origin}", p.origin))
	}
	w.WriteHeader(cmp.Or(x.Response.Status, http.StatusOK))
	_, _ = w.Write(bytes.ReplaceAll(body, []byte("{origin}"), []byte(p.origin)))
}

func (p *provider) check(want *CaseRequest, r *http.Request) {
	if m := cmp.Or(want.Method, "GET"); r.Method != m || r.URL.Path != want.Path {
		p.t.Errorf("request %s %s, want %s %s", r.Method, r.URL.Path, m, want.Path)
	}
	got := map[string]string{}
	for k, v := range r.URL.Query() {
		slices.Sort(v)
		got[k] = strings.Join(v, ",")
	}
	if want.Query == nil {
		want.Query = map[string]string{}
	}
	if d := gocmp.Diff(want.Query, got); d != "" {
		p.t.Errorf("query of %s (- want, + got):\n%s", want.Path, d)
	}
	for k, v := range want.Headers {
		if g := r.Header.Get(k); g != v {
			p.t.Errorf("header %s of %s is %q, want %q", k, want.Path, g, v)
		}
	}
	if want.Body == nil {
		return
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	var gotBody, wantBody any
	text, err := json.Marshal(want.Body)
	if err == nil {
		err = json.Unmarshal(text, &wantBody)
	}
	if err == nil {
		err = json.Unmarshal(b, &gotBody)
	}
	if d := gocmp.Diff(wantBody, gotBody); err != nil || d != "" {
		p.t.Error(fmt.Errorf("body of %s: %v (- want, + got):\n%s", want.Path, err, d))
	}
}
