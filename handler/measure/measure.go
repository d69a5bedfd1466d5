// Package measure says what is measured of runs, once for all who show it: as Prometheus
// reads it (package watch), and by OpenTelemetry's protocol (package telemetry).
package measure

import (
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Kind is how the values of a measure come together.
type Kind int

// A Count grows by each value, a Gauge is the last one, a Spread is how many there were
// of which size.
const (
	Count Kind = iota
	Gauge
	Spread
)

// Measure is one thing that is measured of each run.
type Measure struct {
	Name   string // as OpenTelemetry has it, such as sluice.run.duration
	Unit   string // of UCUM: s, or what is counted, in braces
	Kind   Kind
	Help   string
	By     []string  // what tells its values apart, beside those of Stream
	Bounds []float64 // of a Spread
	// Of is what a report says of it; nothing when the run did not come so far as to know.
	Of func(rep *engine.Report) []Value
}

// Value is what one report says.
type Value struct {
	Is float64
	By []string // as in Measure.By
}

// Stream is what tells the streams apart.
var Stream = []string{"connection", "connector", "stream"}

// StreamOf are the values of Stream.
func StreamOf(rep *engine.Report) []string {
	return []string{rep.Connection, rep.Connector, rep.Stream}
}

// Prometheus is the name in Prometheus: with the unit behind it, and total behind a count
// (opentelemetry.io, "Prometheus and OpenMetrics Compatibility").
func (m *Measure) Prometheus() string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	switch {
	case m.Unit == "s":
		name += "_seconds"
	case m.Kind == Count:
		name += "_total"
	}
	return name
}

// All is what is measured.
var All = []Measure{
	{Name: "sluice.runs", Unit: "{run}", Kind: Count, Help: "Runs, by how they ended.", By: []string{"outcome", "reason"},
		Of: func(rep *engine.Report) []Value {
			return []Value{{1, []string{string(rep.Outcome), rep.Reason}}}
		}},
	{Name: "sluice.records", Unit: "{record}", Kind: Count, By: []string{"fate"},
		Help: "Records, by what became of them: acknowledged, filtered, quarantined; repeated ones were known already.", Of: fates},
	{Name: "sluice.pages", Unit: "{page}", Kind: Count, Help: "Pages committed.",
		Of: func(rep *engine.Report) []Value { return one(float64(rep.Pages)) }},
	{Name: "sluice.run.duration", Unit: "s", Kind: Spread, Help: "How long runs took.",
		Bounds: []float64{0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600},
		Of:     func(rep *engine.Report) []Value { return one(rep.Duration.Seconds()) }},
	{Name: "sluice.backlog", Unit: "s", Kind: Gauge, Help: "How far the position is behind now.", Of: backlog},
	{Name: "sluice.position.timestamp", Unit: "s", Kind: Gauge, Help: "Every record before this time has been dealt with.",
		Of: func(rep *engine.Report) []Value { return at(rep.Position) }},
	{Name: "sluice.last_event.timestamp", Unit: "s", Kind: Gauge, Help: "Time of the newest record so far.",
		Of: func(rep *engine.Report) []Value { return at(rep.LastEvent) }},
	{Name: "sluice.last_success.timestamp", Unit: "s", Kind: Gauge, Help: "When a run last ended without an error.", Of: success},
}

func one(v float64) []Value { return []Value{{Is: v}} }

func at(t time.Time) []Value {
	if t.IsZero() {
		return nil
	}
	return one(float64(t.Unix()))
}

func fates(rep *engine.Report) []Value {
	n := rep.Counts
	return []Value{{float64(n.Acknowledged), []string{"acknowledged"}}, {float64(n.Filtered), []string{"filtered"}},
		{float64(n.Quarantined), []string{"quarantined"}}, {float64(n.Repeated), []string{"repeated"}}}
}

// backlog is unknown without a position: a run that was refused has not caught up.
func backlog(rep *engine.Report) []Value {
	if rep.Position.IsZero() {
		return nil
	}
	return one(rep.Backlog.Seconds())
}

func success(rep *engine.Report) []Value {
	if rep.Outcome != engine.OK && rep.Outcome != engine.Partial {
		return nil
	}
	return at(rep.Started.Add(rep.Duration))
}
