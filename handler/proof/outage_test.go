package proof

import (
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestSevenDaysOfOutage: the endpoint refuses everything for a week. Afterwards
// what happens now comes as fast as ever, and the week is caught up beside it,
// though the provider's rate limit lets that take hours.
func TestSevenDaysOfOutage(t *testing.T) {
	testkit.Long(t)
	const day = 24 * time.Hour
	api := Synthetic(t, Knobs{Order: "ascending", Bounds: "[)", Paging: "link", Tokens: "after", Granularity: "1ms", Lag: "1m", Overlap: "5m", Max: "6h", PageSize: 20, Quota: 4})
	sc := Scenario{Seed: 11, API: api, Records: 3000, Span: 8*day + 6*time.Hour, Behind: time.Hour, BatchBytes: 4000, InFlight: 2,
		Every: 15 * time.Minute, Budget: 2 * time.Minute, Outages: []Outage{{Service: "sink", From: 30 * time.Minute, To: 7*day + 30*time.Minute}}}
	res := Simulate(t, sc)
	report(t, res)
	if res.Lanes < 2 {
		t.Error("no lane was set apart")
	}
	// An interval and the lag, and what is then on its way for the run before.
	if most := 2*sc.Every + time.Minute; res.Slowest > most {
		t.Errorf("a new record took %s to arrive while the past was caught up, at most %s may", res.Slowest, most)
	}
	if res.Repeats > 0 {
		t.Errorf("%d rows came again", res.Repeats)
	}
	t.Logf("%d records, %d runs, %d lanes; the slowest new record took %s", res.Records, res.Runs, res.Lanes, res.Slowest.Round(time.Second))
}
