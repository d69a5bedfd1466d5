package proof

import (
	"fmt"
	"testing"
	"time"
)

// crashAPIs are all kinds of positions, orders, bounds and page tokens that a
// stream can have, and three real connectors.
func crashAPIs(t *testing.T) []*API {
	var list []*API
	for _, k := range []Knobs{
		{Order: "ascending", Bounds: "[)", Paging: "link", Tokens: "after", Granularity: "1ms"},
		{Order: "ascending", Bounds: "(]", Paging: "query", Tokens: "snapshot", Granularity: "1s", Expiry: time.Minute},
		{Order: "descending", Bounds: "[]", Paging: "body", Tokens: "offset", Granularity: "1s", Doubles: true},
		{Order: "none", Bounds: "()", Paging: "link", Tokens: "snapshot", Granularity: "1ms", Expiry: time.Hour, Nameless: true},
	} {
		k.Lag, k.Overlap, k.Max, k.PageSize = "1m", "5m", "40m", 7
		list = append(list, Synthetic(t, k))
	}
	return append(list, Connectors(t)...)
}

// TestCrashPoints counts the calls that a scenario makes of the outside world,
// and runs it again dying before and after each of them.
func TestCrashPoints(t *testing.T) {
	points, worst := 0, 0
	for _, api := range crashAPIs(t) {
		for _, store := range []string{"blobs", "folder"} {
			sc := Scenario{Seed: 7, API: api, Records: 40, Span: 90 * time.Minute, Behind: 80 * time.Minute, BatchBytes: 1500, InFlight: 2, Every: 30 * time.Minute}
			run := func(at *CrashPoint) Result {
				sc.Crash = at
				if store == "folder" {
					sc.Folder = t.TempDir()
				}
				res := Simulate(t, sc)
				for _, p := range res.Problems {
					t.Errorf("%s, %s, crash %s: %s", api.Name, store, at, p)
				}
				return res
			}
			quiet := run(nil)
			if quiet.Repeats > 0 {
				t.Errorf("%s: %d rows came twice though nobody died", api.Name, quiet.Repeats)
			}
			repeats := 0
			for n := range quiet.Calls {
				for _, after := range []bool{false, true} {
					points++
					repeats = max(repeats, run(&CrashPoint{n, after}).Repeats)
				}
			}
			t.Logf("%-22.22s %-6s %3d calls, worst repeat %d rows", api.Name, store, quiet.Calls, repeats)
			worst = max(worst, repeats)
		}
	}
	t.Logf("%d crash points, worst repeat %d rows", points, worst)
	if points < 1000 {
		t.Errorf("only %d crash points", points)
	}
}

func (c *CrashPoint) String() string {
	if c == nil {
		return "never"
	}
	return fmt.Sprintf("at call %d (after it: %v)", c.Call, c.After)
}
