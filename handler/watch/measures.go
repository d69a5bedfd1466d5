package watch

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/measure"
)

// measures are what /metrics has of runs: how each of measure.All takes a value.
type measures []func(by []string, v float64)

// newMeasures registers them. Names and units are as prometheus.io, "Metric and label
// naming", wants them.
func newMeasures(r *prometheus.Registry) (list measures) {
	for _, m := range measure.All {
		name, by := m.Prometheus(), append(measure.Stream[:len(measure.Stream):len(measure.Stream)], m.By...)
		switch m.Kind {
		case measure.Count:
			c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: m.Help}, by)
			r.MustRegister(c)
			list = append(list, func(by []string, v float64) { c.WithLabelValues(by...).Add(v) })
		case measure.Spread:
			h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: m.Help, Buckets: m.Bounds}, by)
			r.MustRegister(h)
			list = append(list, func(by []string, v float64) { h.WithLabelValues(by...).Observe(v) })
		default:
			g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: m.Help}, by)
			r.MustRegister(g)
			list = append(list, func(by []string, v float64) { g.WithLabelValues(by...).Set(v) })
		}
	}
	return list
}

func (list measures) count(rep *engine.Report) {
	for i, m := range measure.All {
		for _, v := range m.Of(rep) {
			list[i](append(measure.StreamOf(rep), v.By...), v.Is)
		}
	}
}
