package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/measure"
)

// instruments are how each of measure.All takes a value.
type instruments []func(ctx context.Context, v float64, of metric.MeasurementOption)

func newInstruments(meter metric.Meter) (list instruments, err error) {
	for _, m := range measure.All {
		unit, help := metric.WithUnit(m.Unit), metric.WithDescription(m.Help)
		var take func(ctx context.Context, v float64, of metric.MeasurementOption)
		switch m.Kind {
		case measure.Count:
			var c metric.Int64Counter
			c, err = meter.Int64Counter(m.Name, unit, help)
			take = func(ctx context.Context, v float64, of metric.MeasurementOption) { c.Add(ctx, int64(v), of) }
		case measure.Spread:
			var h metric.Float64Histogram
			h, err = meter.Float64Histogram(m.Name, unit, help, metric.WithExplicitBucketBoundaries(m.Bounds...))
			take = func(ctx context.Context, v float64, of metric.MeasurementOption) { h.Record(ctx, v, of) }
		default:
			var g metric.Float64Gauge
			g, err = meter.Float64Gauge(m.Name, unit, help)
			take = func(ctx context.Context, v float64, of metric.MeasurementOption) { g.Record(ctx, v, of) }
		}
		if err != nil {
			return nil, err
		}
		list = append(list, take)
	}
	return list, nil
}

// Ran implements engine.Observer.
func (t *Telemetry) Ran(ctx context.Context, rep *engine.Report) {
	if t.metrics == nil {
		return
	}
	of := pairs(nil, measure.Stream, measure.StreamOf(rep))
	for i, m := range measure.All {
		for _, v := range m.Of(rep) {
			t.instruments[i](ctx, v.Is, metric.WithAttributes(pairs(of, m.By, v.By)...))
		}
	}
}

// pairs are first, and names with their values; first stays as it is.
func pairs(first []attribute.KeyValue, names, values []string) []attribute.KeyValue {
	list := first[:len(first):len(first)]
	for i, name := range names {
		list = append(list, attribute.String(prefix+name, values[i]))
	}
	return list
}
