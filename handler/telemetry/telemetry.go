// Package telemetry sends traces and metrics of runs by OpenTelemetry's protocol, as the
// variables of its specification say (OTEL_EXPORTER_OTLP_ENDPOINT and others). Without
// them nothing is started. What it cannot send is lost: no run waits for it, or fails.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Telemetry is an engine.Observer. A nil one observes nothing.
type Telemetry struct {
	tracer  trace.Tracer
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider

	records  metric.Int64Counter
	runs     metric.Int64Counter
	duration metric.Float64Histogram
	backlog  metric.Float64Gauge
}

var _ engine.Observer = (*Telemetry)(nil)

// wanted is what the variables ask for.
type wanted struct{ traces, metrics bool }

// asked reads the variables (opentelemetry.io, "Environment Variable Specification" and
// "OTLP Exporter Configuration"). An error names what is not known here.
func asked(getenv func(string) string) (w wanted, err error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return w, nil
	}
	for signal, on := range map[string]*bool{"TRACES": &w.traces, "METRICS": &w.metrics} {
		exporter := getenv("OTEL_" + signal + "_EXPORTER")
		switch exporter {
		case "none":
			continue
		case "", "otlp":
		default:
			return wanted{}, fmt.Errorf("OTEL_%s_EXPORTER is %q, want otlp or none", signal, exporter)
		}
		*on = exporter == "otlp" || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
		for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL"} {
			if p := getenv(name); *on && p != "" && p != "http/protobuf" {
				return wanted{}, fmt.Errorf("%s is %q, and Sluice sends http/protobuf: a collector takes that at its port 4318", name, p)
			}
		}
	}
	return w, nil
}

// Start begins to send what the variables ask for; nil when they ask for nothing. log
// hears, now and then, that it does not arrive.
func Start(ctx context.Context, getenv func(string) string, version string, log *slog.Logger) (*Telemetry, error) {
	w, err := asked(getenv)
	if err != nil || w == (wanted{}) {
		return nil, err
	}
	otel.SetErrorHandler(&complaints{log: log, now: time.Now})
	res, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "sluice"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Telemetry{}
	if w.traces {
		out, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		t.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(out), sdktrace.WithResource(res))
		t.tracer = t.traces.Tracer(scope)
	}
	if w.metrics {
		out, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(out)), sdkmetric.WithResource(res))
		if err := t.instruments(t.metrics.Meter(scope)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

const scope = "github.com/sluice-connectors/sluice"

func (t *Telemetry) instruments(m metric.Meter) error {
	var errs [4]error
	t.records, errs[0] = m.Int64Counter("sluice.records", metric.WithUnit("{record}"), metric.WithDescription("Records, by what became of them."))
	t.runs, errs[1] = m.Int64Counter("sluice.runs", metric.WithUnit("{run}"), metric.WithDescription("Runs, by outcome and reason."))
	t.duration, errs[2] = m.Float64Histogram("sluice.run.duration", metric.WithUnit("s"), metric.WithDescription("How long runs took."))
	t.backlog, errs[3] = m.Float64Gauge("sluice.backlog", metric.WithUnit("s"), metric.WithDescription("How far the position of a stream is behind now."))
	return errors.Join(errs[:]...)
}

// Begin implements engine.Observer.
func (t *Telemetry) Begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(err error, attrs ...slog.Attr)) {
	if t.tracer == nil {
		return ctx, func(error, ...slog.Attr) {}
	}
	ctx, span := t.tracer.Start(ctx, what, trace.WithAttributes(attributes(attrs)...))
	return ctx, func(err error, attrs ...slog.Attr) {
		span.SetAttributes(attributes(attrs)...)
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// Ran implements engine.Observer.
func (t *Telemetry) Ran(ctx context.Context, rep *engine.Report) {
	if t.metrics == nil {
		return
	}
	of := []attribute.KeyValue{attribute.String("sluice.connection", rep.Connection), attribute.String("sluice.stream", rep.Stream)}
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributes(append(of[:len(of):len(of)], more...)...)
	}
	t.runs.Add(ctx, 1, with(attribute.String("sluice.outcome", string(rep.Outcome)), attribute.String("sluice.reason", rep.Reason)))
	t.duration.Record(ctx, rep.Duration.Seconds(), with())
	t.backlog.Record(ctx, rep.Backlog.Seconds(), with())
	for fate, n := range map[string]int64{"acknowledged": rep.Counts.Acknowledged, "filtered": rep.Counts.Filtered, "quarantined": rep.Counts.Quarantined, "repeated": rep.Counts.Repeated} {
		t.records.Add(ctx, n, with(attribute.String("sluice.fate", fate)))
	}
}

// attributes are attributes of OpenTelemetry, under our name.
func attributes(attrs []slog.Attr) (list []attribute.KeyValue) {
	for _, a := range attrs {
		key := attribute.Key("sluice." + a.Key)
		switch a.Value.Kind() {
		case slog.KindInt64:
			list = append(list, key.Int64(a.Value.Int64()))
		case slog.KindFloat64:
			list = append(list, key.Float64(a.Value.Float64()))
		case slog.KindTime:
			list = append(list, key.String(a.Value.Time().UTC().Format(time.RFC3339Nano)))
		default:
			if text := a.Value.String(); text != "" {
				list = append(list, key.String(text))
			}
		}
	}
	return list
}

// Continue is ctx in the trace that a header traceparent names (w3.org, "Trace Context").
func (t *Telemetry) Continue(ctx context.Context, traceparent string) context.Context {
	if t == nil || traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// flushTime is how long anybody waits for what is to be sent.
const flushTime = 2 * time.Second

// Flush sends what there is, as far as that is possible in two seconds: the process may
// be frozen afterwards.
func (t *Telemetry) Flush(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	var both sync.WaitGroup
	if t.traces != nil {
		both.Go(func() { report(t.traces.ForceFlush(ctx)) })
	}
	if t.metrics != nil {
		both.Go(func() { report(t.metrics.ForceFlush(ctx)) })
	}
	both.Wait()
}

func report(err error) {
	if err != nil {
		otel.Handle(err)
	}
}

// complaints has one line an hour for what does not arrive.
type complaints struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.last) >= time.Hour {
		c.last = now
		c.log.Warn("traces and metrics do not arrive; nothing else is held up by that", "error", err)
	}
}
