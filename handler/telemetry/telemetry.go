// Package telemetry sends traces and metrics of runs by OpenTelemetry's protocol, as the
// variables of its specification say (OTEL_EXPORTER_OTLP_ENDPOINT and others). Without
// them nothing is started. What it cannot send is lost: no run waits for it, or fails.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
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
	instruments
	patience time.Duration // how long anybody waits for what is to be sent
}

var _ engine.Observer = (*Telemetry)(nil)

// Start begins to send what the variables ask for; nil when they ask for nothing. What
// an error says is wrong with one signal leaves the other as it is. log hears, now and
// then, that something does not arrive.
func Start(ctx context.Context, getenv func(string) string, version string, log *slog.Logger) (*Telemetry, error) {
	traces, noTraces := asked(getenv, "TRACES")
	metrics, noMetrics := asked(getenv, "METRICS")
	if !traces && !metrics {
		return nil, errors.Join(noTraces, noMetrics)
	}
	otel.SetErrorHandler(&complaints{log: log, now: time.Now})
	res, odd := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithService(), // a number of this process
		resource.WithAttributes(attribute.String("service.name", "sluice"), attribute.String("service.version", version)), resource.WithFromEnv())
	if odd != nil {
		odd = fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", odd)
	}
	t := &Telemetry{patience: flushTime}
	if traces {
		noTraces = t.startTraces(ctx, getenv, res)
	}
	if metrics {
		noMetrics = t.startMetrics(ctx, res)
	}
	err := errors.Join(noTraces, noMetrics, odd)
	if t.traces == nil && t.metrics == nil {
		return nil, err
	}
	return t, err
}

const scope = "github.com/sluice-connectors/sluice"

func (t *Telemetry) startTraces(ctx context.Context, getenv func(string) string, res *resource.Resource) error {
	out, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	opts := []sdktrace.TracerProviderOption{sdktrace.WithBatcher(out), sdktrace.WithResource(res)}
	if getenv("OTEL_TRACES_SAMPLER") == "" {
		// The Functions host has its own share of what it keeps; runs are few, and all wanted.
		all := sdktrace.AlwaysSample()
		opts = append(opts, sdktrace.WithSampler(sdktrace.ParentBased(all, sdktrace.WithRemoteParentNotSampled(all))))
	}
	t.traces = sdktrace.NewTracerProvider(opts...)
	t.tracer = t.traces.Tracer(scope)
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource) error {
	out, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(out)), sdkmetric.WithResource(res))
	if t.instruments, err = newInstruments(p.Meter(scope)); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	t.metrics = p
	return nil
}

// kinds are those parts of a run that are more than a step of it: Application Insights
// shows what somebody waits for as a request.
var kinds = map[string]trace.SpanKind{"run": trace.SpanKindServer}

// Begin implements engine.Observer.
func (t *Telemetry) Begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(err error, attrs ...slog.Attr)) {
	if t.tracer == nil {
		return ctx, func(error, ...slog.Attr) {}
	}
	ctx, span := t.tracer.Start(ctx, what, trace.WithSpanKind(kinds[what]), trace.WithAttributes(attributes(attrs)...))
	return ctx, func(err error, attrs ...slog.Attr) {
		span.SetAttributes(attributes(attrs)...)
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// prefix begins the names of what is our own.
const prefix = "sluice."

// attributes are attributes of OpenTelemetry, under our name.
func attributes(attrs []slog.Attr) (list []attribute.KeyValue) {
	for _, a := range attrs {
		key := attribute.Key(prefix + a.Key)
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

// flushTime is the usual patience.
const flushTime = 2 * time.Second

// Flush sends what there is, as far as that is possible in two seconds: the process may
// be frozen afterwards.
func (t *Telemetry) Flush(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.patience)
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
