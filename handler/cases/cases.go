// Package cases runs a connector against a scripted provider: the real engine and
// the real requests, with a clock, a store and a sink in memory. A case is a folder
// with exchange.yaml, the runs of a stream and what the provider answers; beside it
// rows.json holds the rows that arrive and checkpoint.json what is remembered.
//
// From a connector's first case the package also makes those in which the provider
// fails in every way it can: see Robustness.
package cases

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"

	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/stream"
)

// Case is exchange.yaml.
type Case struct {
	Shows    string            `yaml:"shows" doc:"What the case shows, in a sentence."`
	Settings map[string]string `yaml:"settings" required:"true" doc:"Settings of the connection. {rsa key} stands for a private key that is made for the run."`
	Part     string            `yaml:"part" doc:"The part of a stream that is collected in parts. Default: the first."`
	Start    string            `yaml:"start" required:"true" doc:"Where the first run begins (RFC 3339)."`
	Runs     []Run             `yaml:"runs" required:"true" doc:"The runs, in order."`
}

// Run is one run.
type Run struct {
	Now       string     `yaml:"now" required:"true" doc:"When it begins (RFC 3339)."`
	Exchanges []Exchange `yaml:"exchanges" required:"true" doc:"The requests that are expected, in order, and the answers. A request for a token is answered by itself unless it is among them."`
	Outcome   string     `yaml:"outcome" doc:"How it ends. Default: ok."`
	Reason    string     `yaml:"reason" doc:"The reason code."`
	Slept     string     `yaml:"slept" doc:"How long it waits in all. Default: not at all."`
}

// Exchange is a request and its answer. {origin} in the answer is the
// provider's address.
type Exchange struct {
	Request  Request  `yaml:"request" required:"true" doc:"What is asked."`
	Response Response `yaml:"response" required:"true" doc:"What is answered."`
}

// Request is an expected request. What it does not mention is not looked at, but
// the query is compared whole.
type Request struct {
	Method  string            `yaml:"method" doc:"Default: GET."`
	Path    string            `yaml:"path" required:"true" doc:"Path."`
	Query   map[string]string `yaml:"query" doc:"All query parameters."`
	Headers map[string]string `yaml:"headers" doc:"Some headers."`
	Body    any               `yaml:"body" doc:"The JSON body."`
	Form    map[string]string `yaml:"form" doc:"The fields of the form that is the body."`
}

// Response is an answer.
type Response struct {
	Status  int               `yaml:"status" doc:"Default: 200."`
	Headers map[string]string `yaml:"headers" doc:"Headers."`
	Body    any               `yaml:"body" doc:"JSON, as a YAML tree."`
	Text    string            `yaml:"text" doc:"The body as text, instead."`
	File    string            `yaml:"file" doc:"A file beside exchange.yaml that holds the body, instead."`
	Fault   string            `yaml:"fault" enum:"reset|truncated|slow" doc:"What happens instead of a whole answer: the connection is reset, the body ends too early, or takes too long."`
}

// Result is what came of a case.
type Result struct {
	Stream   string   `json:"stream"`
	Case     string   `json:"case"`
	Shows    string   `json:"shows,omitempty"`
	Rows     int      `json:"rows"`
	Requests int      `json:"requests"`
	Problems []string `json:"problems,omitempty"`
}

func (r *Result) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// Find returns the case folders of a stream below a connector's testdata.
func Find(testdata string, s *spec.Stream) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(testdata, s.Name, "*", "exchange.yaml"))
	for i, p := range paths {
		paths[i] = filepath.Dir(p)
	}
	return paths, err
}

// Load reads the case in a folder.
func Load(dir string) (*Case, error) {
	path := filepath.Join(dir, "exchange.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := new(Case)
	_, err = spec.Decode(path, data, c)
	return c, err
}

// Check runs the case in a folder and compares what comes of it with the files
// beside it; with update it writes them. An error says that the case cannot be run.
func Check(ctx context.Context, c *spec.Connector, s *spec.Stream, dir string, update bool) (*Result, error) {
	cs, err := Load(dir)
	if err != nil {
		return nil, err
	}
	w, err := newWorld(c, s, cs, dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	res := &Result{Stream: s.Name, Case: filepath.Base(dir), Shows: cs.Shows}
	for i := range cs.Runs {
		if err := w.run(ctx, i, &cs.Runs[i], res); err != nil {
			return nil, fmt.Errorf("%s: run %d: %w", dir, i+1, err)
		}
	}
	res.Rows, res.Requests = len(w.sink.Rows()), w.provider.asked
	cp, _, _, err := engine.LoadCheckpoint(ctx, w.engine.Store, w.stream.Key())
	if err != nil {
		return nil, err
	}
	if !cp.Totals.Balanced() {
		res.problem("the books do not balance: %+v", cp.Totals)
	}
	cp.Asks = "" // a word changed in a request changes it
	return res, errors.Join(
		golden(filepath.Join(dir, "rows.json"), w.sink.Rows(), update, res),
		golden(filepath.Join(dir, "checkpoint.json"), cp, update, res))
}

// world is a stream with its surroundings.
type world struct {
	engine   *engine.Engine
	stream   *engine.Stream
	clock    *memory.Clock
	sink     *memory.Sink
	provider *provider
}

func newWorld(c *spec.Connector, s *spec.Stream, cs *Case, dir string) (*world, error) {
	start, err := time.Parse(time.RFC3339, cs.Start)
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	w := &world{clock: memory.NewClock(start), sink: memory.NewSink()}
	w.provider = &provider{dir: dir, clock: w.clock, auth: &c.Auth}
	inOrder := *c
	inOrder.Limits.Concurrency = 1
	c = &inOrder
	settings := map[string]string{}
	for _, set := range c.Settings {
		settings[set.Name] = cmp.Or(cs.Settings[set.Name], set.Default)
		if settings[set.Name] == "{rsa key}" {
			var err error
			if settings[set.Name], err = rsaKey(); err != nil {
				return nil, err
			}
		}
	}
	for name := range cs.Settings {
		if c.Setting(name) == nil {
			return nil, fmt.Errorf("there is no setting %s", name)
		}
	}
	conn, err := rest.Open(c, rest.Options{Settings: settings, Transport: w.provider, Now: w.clock.Now, UserAgent: "Sluice/test",
		Azure: func(context.Context, string) (string, time.Time, error) {
			return "managed-identity-token", w.clock.Now().Add(time.Hour), nil
		}})
	if err != nil {
		return nil, err
	}
	if w.stream, err = stream.New(conn, s, cmp.Or(cs.Part, conn.Parts(s)[0])); err != nil {
		return nil, err
	}
	w.stream.Start = start
	w.engine = sentinel.NewEngine(memory.NewStore(), w.sink, slog.New(slog.DiscardHandler))
	w.engine.Clock, w.engine.InFlight = w.clock, 1
	return w, nil
}

// run runs the stream once.
func (w *world) run(ctx context.Context, i int, r *Run, res *Result) error {
	now, err := time.Parse(time.RFC3339, r.Now)
	if err != nil {
		return fmt.Errorf("now: %w", err)
	}
	w.clock.Advance(now.Sub(w.clock.Now()))
	w.clock.Slept = nil
	w.provider.script, w.provider.problem = r.Exchanges, func(format string, args ...any) {
		res.problem(fmt.Sprintf("run %d: ", i+1)+format, args...)
	}
	rep := w.engine.Run(ctx, w.stream, 10*time.Minute)
	if want := cmp.Or(r.Outcome, "ok"); string(rep.Outcome) != want || rep.Reason != r.Reason {
		res.problem("run %d is %s (%s: %s), want %s (%s)", i+1, rep.Outcome, rep.Reason, rep.Message, want, r.Reason)
	}
	if len(w.provider.script) > 0 {
		res.problem("run %d did not ask for %s", i+1, w.provider.script[0].Request.Path)
	}
	if got := w.slept().String(); got != cmp.Or(r.Slept, "0s") {
		res.problem("run %d waited %s, want %s", i+1, got, cmp.Or(r.Slept, "0s"))
	}
	return nil
}

func (w *world) slept() (d time.Duration) {
	for _, s := range w.clock.Slept {
		d += s
	}
	return d
}

// golden compares got with a JSON file, or writes it.
func golden(path string, got any, update bool, res *Result) error {
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		return err
	}
	if update {
		return os.WriteFile(path, append(text, '\n'), 0o644)
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		res.problem("there is no %s: look at what comes and write it with --update", path)
		return nil
	}
	if err != nil {
		return err
	}
	a, err1 := tree(text)
	b, err2 := tree(want)
	if d := gocmp.Diff(b, a); d != "" {
		res.problem("%s (- want, + got):\n%s", path, d)
	}
	return errors.Join(err1, err2)
}

// tree decodes JSON with its numbers as they are written.
func tree(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// uids are the names of the events that rows tell of.
func uids(rows []json.RawMessage) (list []string) {
	for _, r := range rows {
		var row struct{ EventUid string }
		_ = json.Unmarshal(r, &row)
		list = append(list, row.EventUid)
	}
	slices.Sort(list)
	return list
}

// Sentence is what a case shows: what it says, or its folder's name.
func (r *Result) Sentence() string {
	return cmp.Or(r.Shows, strings.ReplaceAll(r.Case, "_", " "))
}

// rsaKey is a private key in PEM that nothing outside of this process knows.
var rsaKey = sync.OnceValues(func() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
})
