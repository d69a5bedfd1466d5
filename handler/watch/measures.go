package watch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// measures are what /metrics has, by connection, connector and stream. Names and units are
// as prometheus.io, "Metric and label naming", wants them.
type measures struct {
	build                                  *prometheus.GaugeVec
	runs                                   *prometheus.CounterVec
	records                                *prometheus.CounterVec
	pages                                  *prometheus.CounterVec
	seconds                                *prometheus.HistogramVec
	backlog, position, lastEvent, lastGood *prometheus.GaugeVec
}

var byStream = []string{"connection", "connector", "stream"}

func newMeasures() measures {
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "sluice", Name: name, Help: help}, append(append([]string{}, byStream...), more...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "sluice", Name: name, Help: help}, byStream)
	}
	return measures{
		build:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "sluice", Name: "build_info", Help: "The version that runs."}, []string{"version"}),
		runs:    counter("runs_total", "Runs, by how they ended.", "outcome", "reason"),
		records: counter("records_total", "Records, by what became of them: acknowledged, filtered, quarantined; repeated ones were known already.", "fate"),
		pages:   counter("pages_total", "Pages committed."),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "sluice", Name: "run_duration_seconds", Help: "How long runs took.",
			Buckets: []float64{0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}}, byStream),
		backlog:   gauge("backlog_seconds", "How far the position is behind now."),
		position:  gauge("position_timestamp_seconds", "Every record before this time has been dealt with."),
		lastEvent: gauge("last_event_timestamp_seconds", "Time of the newest record so far."),
		lastGood:  gauge("last_success_timestamp_seconds", "When a run last ended without an error."),
	}
}

func (m *measures) register(r *prometheus.Registry) {
	r.MustRegister(m.build, m.runs, m.records, m.pages, m.seconds, m.backlog, m.position, m.lastEvent, m.lastGood)
}

func (m *measures) count(rep *engine.Report, now time.Time) {
	of := []string{rep.Connection, rep.Connector, rep.Stream}
	m.runs.WithLabelValues(append(of, string(rep.Outcome), rep.Reason)...).Inc()
	n := rep.Counts
	for fate, count := range map[string]int64{"acknowledged": n.Acknowledged, "filtered": n.Filtered, "quarantined": n.Quarantined, "repeated": n.Repeated} {
		m.records.WithLabelValues(append(of, fate)...).Add(float64(count))
	}
	m.pages.WithLabelValues(of...).Add(float64(rep.Pages))
	m.seconds.WithLabelValues(of...).Observe(rep.Duration.Seconds())
	if rep.Outcome == engine.OK || rep.Outcome == engine.Partial {
		m.lastGood.WithLabelValues(of...).Set(float64(now.Unix()))
	}
	if rep.Position.IsZero() {
		return // it did not come so far as to know
	}
	m.backlog.WithLabelValues(of...).Set(rep.Backlog.Seconds())
	m.position.WithLabelValues(of...).Set(float64(rep.Position.Unix()))
	if !rep.LastEvent.IsZero() {
		m.lastEvent.WithLabelValues(of...).Set(float64(rep.LastEvent.Unix()))
	}
}
