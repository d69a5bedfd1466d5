package telemetry

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// started is telemetry that a collector takes, with further variables.
func started(t *testing.T, pairs ...string) (*Telemetry, *collector) {
	t.Helper()
	c := &collector{spans: map[string][]*tracev1.Span{}}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	tel, err := Start(t.Context(), env(t, append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL}, pairs...)...), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tel, c
}

// TestRunsAreSeenThoughTheHostKeepsOthers: it says of a trace that it is not kept, and that
// counts only where somebody asked for it.
func TestRunsAreSeenThoughTheHostKeepsOthers(t *testing.T) {
	for sampler, want := range map[string]int{"": 1, "parentbased_always_on": 0} {
		t.Run(sampler, func(t *testing.T) {
			tel, c := started(t, "OTEL_TRACES_SAMPLER", sampler)
			e, s := stream()
			e.Observer = tel
			ctx := tel.Continue(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
			e.Run(ctx, s, time.Minute)
			tel.Flush(ctx)
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.spans["run"]) != want {
				t.Fatalf("%d runs, want %d", len(c.spans["run"]), want)
			}
			if want == 0 {
				return
			}
			if run := c.spans["run"][0]; run.Kind != tracev1.Span_SPAN_KIND_SERVER || c.spans["fetch"][0].Kind != tracev1.Span_SPAN_KIND_INTERNAL {
				t.Errorf("a run is %s: Application Insights shows servers' spans as requests", run.Kind)
			}
			if !strings.Contains(c.all.String(), "service.instance.id") {
				t.Error("processes cannot be told apart")
			}
		})
	}
}

// TestWhatDidNotRunIsSeen: a connection that is refused has a span that is an error, counts
// as a run, and says nothing of a backlog.
func TestWhatDidNotRunIsSeen(t *testing.T) {
	tel, c := started(t)
	e, _ := stream()
	e.Observer = tel
	e.Refuse(t.Context(), "contoso", "okta", io.ErrUnexpectedEOF)
	tel.Flush(t.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	if run := c.spans["run"]; len(run) != 1 || run[0].Status.Code != tracev1.Status_STATUS_CODE_ERROR {
		t.Fatalf("spans %v", c.spans)
	}
	for _, name := range c.metrics {
		if name == "sluice.backlog" || name == "sluice.position.timestamp" {
			t.Errorf("%s of a run that has no position", name)
		}
	}
	if got := strings.Join(c.metrics, " "); !strings.Contains(got, "sluice.runs") || strings.Contains(c.all.String(), "backlog_s") {
		t.Errorf("metrics %s", got)
	}
}

// TestOneSignalIsWrongAndTheOtherSent, and what is said of a signal goes before what is said
// of both.
func TestOneSignalIsWrongAndTheOtherSent(t *testing.T) {
	const at = "http://127.0.0.1:1"
	for _, c := range []struct {
		pairs           []string
		traces, metrics bool
		err             string
	}{
		{[]string{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"}, true, false, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{[]string{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"}, true, true, ""},
		{[]string{"OTEL_METRICS_EXPORTER", "prometheus"}, true, false, "OTEL_METRICS_EXPORTER"},
		{[]string{"OTEL_TRACES_EXPORTER", "none"}, false, true, ""},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES", "no pair"}, true, true, "OTEL_RESOURCE_ATTRIBUTES"},
	} {
		t.Run(strings.Join(c.pairs, " "), func(t *testing.T) {
			tel, err := Start(t.Context(), env(t, append(c.pairs, "OTEL_EXPORTER_OTLP_ENDPOINT", at)...), "", slog.New(slog.DiscardHandler))
			if tel == nil || (tel.traces != nil) != c.traces || (tel.metrics != nil) != c.metrics {
				t.Errorf("started %+v", tel)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// TestRequestsAreSeen below what asks, without their query or a secret, and whoever is asked
// hears nothing of the trace.
func TestRequestsAreSeen(t *testing.T) {
	tel, c := started(t)
	var headers []http.Header
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer provider.Close()
	client := &http.Client{Transport: tel.Through(http.DefaultTransport, func(s string) string { return strings.ReplaceAll(s, "s3cret", "***") })}
	ctx, over := tel.Begin(t.Context(), "fetch")
	for _, address := range []string{provider.URL + "/tenants/s3cret/logs?token=s3cret", "http://127.0.0.1:1/down?token=s3cret"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	over(nil)
	tel.Flush(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.spans[http.MethodGet]
	if len(asked) != 2 || asked[0].Kind != tracev1.Span_SPAN_KIND_CLIENT || string(asked[0].ParentSpanId) != string(c.spans["fetch"][0].SpanId) {
		t.Fatalf("spans %v", c.spans)
	}
	for i, want := range []string{`"error.type" value:{string_value:"418"}`, `"error.type" value:{string_value:"*net.OpError"}`} {
		if text := strings.ReplaceAll(asked[i].String(), "  ", " "); !strings.Contains(text, want) || asked[i].Status.Code != tracev1.Status_STATUS_CODE_ERROR {
			t.Errorf("no %s in %s", want, text)
		}
	}
	all := strings.ReplaceAll(c.all.String(), "  ", " ")
	if !strings.Contains(all, "/tenants/***/logs\"") || strings.Contains(all, "s3cret") || strings.Contains(all, "token=") {
		t.Errorf("sent %s", all)
	}
	if len(headers) != 1 || headers[0].Get("Traceparent") != "" || headers[0].Get("Baggage") != "" {
		t.Errorf("the provider heard %v", headers)
	}
}

// TestNoRequestIsSeenUnasked.
func TestNoRequestIsSeenUnasked(t *testing.T) {
	var none *Telemetry
	if none.Through(http.DefaultTransport, nil) != http.DefaultTransport {
		t.Error("something stands in the way of requests")
	}
}

// TestACollectorThatHangsHoldsNothingUp longer than the patience there is, nor one that is
// not there.
func TestACollectorThatHangsHoldsNothingUp(t *testing.T) {
	end := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer srv.Close()
	defer close(end)
	for _, at := range []string{srv.URL, "http://127.0.0.1:1"} {
		t.Run(at, func(t *testing.T) {
			tel, err := Start(t.Context(), env(t, "OTEL_EXPORTER_OTLP_ENDPOINT", at), "", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			tel.patience = 20 * time.Millisecond
			e, s := stream()
			e.Observer = tel
			if rep := e.Run(t.Context(), s, time.Minute); rep.Outcome != engine.OK {
				t.Errorf("%s: %s", rep.Outcome, rep.Message)
			}
			tel.Flush(t.Context()) // the test's own time limit would end it otherwise
		})
	}
}
