package measure

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestNamesStay: somebody's alerts go by the names in Prometheus.
func TestNamesStay(t *testing.T) {
	var names []string
	for _, m := range All {
		names = append(names, m.Prometheus())
	}
	want := []string{"sluice_runs_total", "sluice_records_total", "sluice_pages_total", "sluice_run_duration_seconds", "sluice_backlog_seconds",
		"sluice_position_timestamp_seconds", "sluice_last_event_timestamp_seconds", "sluice_last_success_timestamp_seconds"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// TestWhatIsNotKnownIsNotSaid: a run that has no position is not one that has caught up.
func TestWhatIsNotKnownIsNotSaid(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		rep  engine.Report
		want []string
	}{
		{engine.Report{Outcome: engine.Failed}, nil},
		{engine.Report{Outcome: engine.Partial}, []string{"sluice.last_success.timestamp"}},
		{engine.Report{Outcome: engine.Stalled, Position: now}, []string{"sluice.backlog", "sluice.position.timestamp"}},
		{engine.Report{Outcome: engine.OK, Position: now, LastEvent: now},
			[]string{"sluice.backlog", "sluice.position.timestamp", "sluice.last_event.timestamp", "sluice.last_success.timestamp"}},
	} {
		c.rep.Started = now
		var said []string
		for _, m := range All {
			for _, v := range m.Of(&c.rep) {
				if len(v.By) != len(m.By) {
					t.Errorf("%s: %q for %q", m.Name, v.By, m.By)
				}
				if m.Kind == Gauge {
					said = append(said, m.Name)
				}
			}
		}
		if !slices.Equal(said, c.want) {
			t.Errorf("%s at %s says %q, want %q", c.rep.Outcome, c.rep.Position, said, c.want)
		}
	}
}
