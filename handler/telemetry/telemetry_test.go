package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// collector takes what is sent by OTLP over HTTP.
type collector struct {
	mu      sync.Mutex
	spans   map[string][]*tracev1.Span
	metrics []string
	all     strings.Builder
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var x collecttrace.ExportTraceServiceRequest
		if proto.Unmarshal(body, &x) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		c.all.WriteString(x.String())
		for _, rs := range x.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					c.spans[s.Name] = append(c.spans[s.Name], s)
				}
			}
		}
	case "/v1/metrics":
		var x collectmetrics.ExportMetricsServiceRequest
		if proto.Unmarshal(body, &x) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		c.all.WriteString(x.String())
		for _, rm := range x.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					c.metrics = append(c.metrics, m.Name)
				}
			}
		}
	}
}

// stream is one that has two pages, ready to run.
func stream() (*engine.Engine, *engine.Stream) {
	e := sentinel.NewEngine(memory.NewStore(), memory.NewSink(), slog.New(slog.DiscardHandler))
	noon := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	e.Clock = memory.NewClock(noon)
	return e, &engine.Stream{Connection: "contoso", Connector: "okta", Name: "system_log", Tables: []engine.Table{{Name: "T_CL"}},
		Source: &testkit.ListSource{Pages: [][]string{{"1", "2"}, {"3", "!4"}}}, Mapper: &testkit.LineMapper{}, Start: noon.Add(-time.Hour)}
}

func env(t *testing.T, pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1]) // the SDK reads it, too
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

// TestRunsAreSeen by a collector: a span for the run in the caller's trace, with one for
// each fetch, upload and commit, and the metrics of what became of its records.
func TestRunsAreSeen(t *testing.T) {
	c := &collector{spans: map[string][]*tracev1.Span{}}
	srv := httptest.NewServer(c)
	defer srv.Close()
	tel, err := Start(t.Context(), env(t, "OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL, "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"), "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e, s := stream()
	e.Observer = tel
	ctx := tel.Continue(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if rep := e.Run(ctx, s, time.Minute); rep.Outcome != engine.OK {
		t.Fatal(rep.Message)
	}
	tel.Flush(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, n := range map[string]int{"run": 1, "fetch": 2, "upload": 1, "commit": 1} {
		if len(c.spans[name]) != n {
			t.Fatalf("%d spans %s, want %d", len(c.spans[name]), name, n)
		}
	}
	run := c.spans["run"][0]
	if got := hexOf(run.TraceId); got != "4bf92f3577b34da6a3ce929d0e0e4736" || hexOf(run.ParentSpanId) != "00f067aa0ba902b7" {
		t.Errorf("the run is in trace %s, below %s", got, hexOf(run.ParentSpanId))
	}
	for _, name := range []string{"fetch", "upload", "commit"} {
		if string(c.spans[name][0].ParentSpanId) != string(run.SpanId) {
			t.Errorf("%s is not below the run", name)
		}
	}
	for _, want := range []string{`key:"sluice.outcome" value:{string_value:"ok"}`, `key:"sluice.acknowledged" value:{int_value:3}`, `key:"sluice.stream" value:{string_value:"system_log"}`,
		`key:"service.name" value:{string_value:"sluice"}`, `key:"deployment.environment" value:{string_value:"test"}`, `key:"service.version" value:{string_value:"1.2.3"}`} {
		if !strings.Contains(strings.ReplaceAll(c.all.String(), "  ", " "), want) {
			t.Errorf("nothing says %s:\n%s", want, c.all.String())
		}
	}
	slices.Sort(c.metrics)
	if got := strings.Join(slices.Compact(c.metrics), " "); got != "sluice.backlog sluice.last_success.timestamp sluice.pages sluice.position.timestamp sluice.records sluice.run.duration sluice.runs" {
		t.Errorf("metrics %s", got)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// TestAFailedRunIsAnError in its span.
func TestAFailedRunIsAnError(t *testing.T) {
	c := &collector{spans: map[string][]*tracev1.Span{}}
	srv := httptest.NewServer(c)
	defer srv.Close()
	tel, err := Start(t.Context(), env(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", srv.URL+"/v1/traces"), "", slog.New(slog.DiscardHandler))
	if err != nil || tel.metrics != nil {
		t.Fatal(err, tel)
	}
	e, s := stream()
	e.Observer = tel
	e.Sink.(*memory.Sink).Fail = func(engine.Batch) error {
		return &engine.Error{Kind: engine.Auth, Op: "upload", Reason: "dcr_role_missing", Err: errors.New("no role")}
	}
	e.Run(t.Context(), s, time.Minute)
	tel.Flush(t.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	if run := c.spans["run"]; len(run) != 1 || run[0].Status.Code != tracev1.Status_STATUS_CODE_ERROR || !strings.Contains(run[0].Status.Message, "no role") {
		t.Errorf("%v", run)
	}
}

// TestNothingIsStartedUnasked.
func TestNothingIsStartedUnasked(t *testing.T) {
	for _, pairs := range [][]string{
		{},
		{"OTEL_SERVICE_NAME", "x"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "OTEL_SDK_DISABLED", "true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none"},
	} {
		tel, err := Start(context.Background(), env(t, pairs...), "", slog.New(slog.DiscardHandler))
		if tel != nil || err != nil {
			t.Errorf("%v: %v, %v", pairs, tel, err)
		}
		tel.Flush(t.Context())
		if ctx := t.Context(); tel.Continue(ctx, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") != ctx {
			t.Error("a trace goes on that nobody sees")
		}
	}
}

// TestWhatIsNotKnownIsNamed.
func TestWhatIsNotKnownIsNamed(t *testing.T) {
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", and Sluice sends http/protobuf"},
		{[]string{"OTEL_TRACES_EXPORTER", "zipkin"}, "OTEL_TRACES_EXPORTER is \"zipkin\", want otlp or none"},
	} {
		if _, err := Start(context.Background(), env(t, c.pairs...), "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.pairs, err)
		}
	}
}

// TestACollectorThatIsDownIsOneLine, and holds nothing up.
func TestACollectorThatIsDownIsOneLine(t *testing.T) {
	var lines strings.Builder
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	c := &complaints{log: slog.New(slog.NewTextHandler(&lines, nil)), now: func() time.Time { return now }}
	for range 3 {
		c.Handle(errors.New("connection refused"))
	}
	now = now.Add(time.Hour)
	c.Handle(errors.New("connection refused"))
	if n := strings.Count(lines.String(), "connection refused"); n != 2 {
		t.Errorf("%d lines:\n%s", n, lines.String())
	}
}
