package proof

import (
	"testing"
	"time"
)

// TestAClockThatIsAheadLosesNothing: ours is an hour ahead until somebody sets it, and
// the provider's answers have no date. What a window would close over has not happened
// yet.
func TestAClockThatIsAheadLosesNothing(t *testing.T) {
	api := Synthetic(t, Knobs{Order: "ascending", Bounds: "[)", Paging: "link", Tokens: "after", Granularity: "1s", Lag: "1m", Overlap: "5m", PageSize: 10, Dateless: true})
	for _, records := range []int{3, 200} { // hardly ever a row, and one in each window
		report(t, Simulate(t, Scenario{Seed: 5, API: api, Records: records, Span: 6 * time.Hour, Every: 10 * time.Minute, Skew: time.Hour}))
	}
}

// TestARuleThatRefusesEverything: the endpoint answers 400 to every call for hours, as
// after a mistake in its rule. That says nothing about any record: all of them arrive
// once it is right again, but for those that it never takes.
func TestARuleThatRefusesEverything(t *testing.T) {
	api := Synthetic(t, Knobs{Order: "ascending", Bounds: "[)", Paging: "query", Tokens: "after", Granularity: "1ms", Lag: "1m", Overlap: "5m", PageSize: 10})
	for _, at := range []time.Duration{0, 50 * time.Minute} { // from the first run on, and later
		res := Simulate(t, Scenario{Seed: 6, API: api, Records: 300, Span: 6 * time.Hour, Behind: time.Hour, Every: 5 * time.Minute,
			Outages: []Outage{{Service: "rule", From: at, To: at + 2*time.Hour}}})
		report(t, res)
		// A few calls a run are enough to see that nothing is taken.
		if calls, most := res.Faults["sink: every row refused"], 24*7; calls > most {
			t.Errorf("%d calls were refused in two hours of runs, at most %d are of use", calls, most)
		}
	}
}

// TestAnUpgradeInTheMiddleOfAListing: pages get another size while a listing is under
// way; a number of pages or records means something else from then on.
func TestAnUpgradeInTheMiddleOfAListing(t *testing.T) {
	for _, paging := range []string{"offset", "page", "counted"} {
		api := Synthetic(t, Knobs{Order: "descending", Bounds: "[)", Paging: paging, Granularity: "1s", Lag: "1m", Overlap: "5m", PageSize: 3, Quota: 3})
		report(t, Simulate(t, Scenario{Seed: 8, API: api, Records: 120, Span: 3 * time.Hour, Behind: 2 * time.Hour, Every: 5 * time.Minute, Budget: 2 * time.Minute, Resize: 22 * time.Minute}))
	}
}

// TestAnOutageLongerThanTheProviderKeeps: what the provider has deleted is lost, and
// nothing else; the ledger says what, and the stream goes on.
func TestAnOutageLongerThanTheProviderKeeps(t *testing.T) {
	for _, order := range []string{"ascending", "none"} {
		api := Synthetic(t, Knobs{Order: order, Bounds: "[)", Paging: "query", Tokens: "after", Granularity: "1s", Lag: "1m", Overlap: "5m", PageSize: 10, Retention: "3h"})
		sc := Scenario{Seed: 9, API: api, Records: 400, Span: 12 * time.Hour, Behind: 2 * time.Hour, Every: 10 * time.Minute,
			Outages: []Outage{{Service: "provider", From: time.Hour, To: 6 * time.Hour}}}
		report(t, Simulate(t, sc))
	}
}
