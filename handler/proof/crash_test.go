package proof

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// crashAPIs are all kinds of positions, orders, bounds and page tokens that a
// stream can have, and three real connectors.
func crashAPIs(t *testing.T) []*API {
	var list []*API
	for _, k := range []Knobs{
		{Order: "ascending", Bounds: "[)", Paging: "link", Tokens: "after", Granularity: "1ms"},
		{Order: "ascending", Bounds: "(]", Paging: "query", Tokens: "snapshot", Granularity: "1s", Expiry: time.Minute},
		{Order: "descending", Bounds: "[]", Paging: "body", Tokens: "offset", Granularity: "1s", Doubles: true},
		{Order: "descending", Bounds: "[)", Paging: "none", Granularity: "1s"},
		{Order: "none", Bounds: "()", Paging: "link", Tokens: "snapshot", Granularity: "1ms", Expiry: time.Hour, Nameless: true},
		{Order: "ascending", Bounds: "[]", Paging: "url", Tokens: "after", Granularity: "1s"},
		{Order: "none", Bounds: "[)", Paging: "header", Tokens: "after", Granularity: "1ms"},
		{Order: "descending", Bounds: "(]", Paging: "offset", Granularity: "1s"},
		{Order: "ascending", Bounds: "[)", Paging: "page", Granularity: "1ms"},
		{Order: "ascending", Bounds: "[)", Paging: "last", Granularity: "1ms"},
		{Order: "none", Bounds: "[)", Paging: "steps", Tokens: "after", Granularity: "1ms"},
		{Order: "none", Bounds: "[)", Paging: "job", Granularity: "1s"},
		{Order: "ascending", Bounds: "[)", Paging: "query", Tokens: "snapshot", Granularity: "1s", Claims: "some", Expiry: time.Minute},
		{Order: "descending", Bounds: "[]", Paging: "counted", Granularity: "1s", Claims: "behind", Dateless: true},
		{Paging: "cursor"}, {Paging: "iterator"}, {Paging: "snapshot", Expiry: time.Hour},
	} {
		k.Lag, k.Overlap, k.Max, k.PageSize = "1m", "5m", "40m", 7
		list = append(list, Synthetic(t, k))
	}
	return append(list, Connectors(t)...)
}

// TestCrashPointsKnowAllThatASpecCanSay: a new kind of position or of paging
// has to have its crash points too.
func TestCrashPointsKnowAllThatASpecCanSay(t *testing.T) {
	there := map[string]bool{}
	for _, a := range crashAPIs(t) {
		s := a.stream()
		for _, v := range []string{"position " + s.Position.Type, "order " + s.Position.Order, "bounds " + s.Position.Bounds, "paging " + s.Paging.Type} {
			there[v] = true
		}
	}
	for what, field := range map[string]struct {
		of   any
		name string
	}{"position": {spec.Position{}, "Type"}, "order": {spec.Position{}, "Order"}, "bounds": {spec.Position{}, "Bounds"}, "paging": {spec.Paging{}, "Type"}} {
		f, _ := reflect.TypeOf(field.of).FieldByName(field.name)
		for _, v := range strings.Split(f.Tag.Get("enum"), "|") {
			if !there[what+" "+v] {
				t.Errorf("%s %s has no crash points", what, v)
			}
		}
	}
}

// TestCrashPoints counts the calls that a scenario makes of the outside world,
// and runs it again dying before and after each of them.
func TestCrashPoints(t *testing.T) {
	testkit.Long(t)
	var total crashes
	for i, api := range crashAPIs(t) {
		sc := Scenario{Seed: 7, API: api, Records: 40, Span: 90 * time.Minute, Behind: 80 * time.Minute, BatchBytes: 900, InFlight: 2, Every: 30 * time.Minute}
		if !*long {
			sc.Records = 24
		}
		for j, store := range []string{"blobs", "folder"} {
			if *long || (i+j)%2 == 0 {
				total.run(t, api.Name, store, sc)
			}
		}
	}
	// Runs that are too short to catch up: the past gets a lane of its own.
	api := Synthetic(t, Knobs{Order: "ascending", Bounds: "(]", Paging: "query", Tokens: "after", Granularity: "1s", Lag: "1m", Overlap: "5m", PageSize: 2})
	far := Scenario{Seed: 7, API: api, Records: 60, Span: 5*time.Hour + 40*time.Minute, Behind: 5 * time.Hour, BatchBytes: 1500, InFlight: 2, Every: 15 * time.Minute, Budget: 3 * time.Second}
	if lanes := total.run(t, "far behind", "blobs", far); lanes < 2 {
		t.Error("no lane was set apart")
	}
	t.Logf("%d crash points, worst repeat %d rows", total.points, total.worst)
	if total.points < 1000 {
		t.Errorf("only %d crash points", total.points)
	}
}

// crashes sums up what happened at crash points.
type crashes struct{ points, worst int }

// run is one scenario, once without a crash and then with one at every point.
// It returns how many lanes there were.
func (c *crashes) run(t *testing.T, name, store string, sc Scenario) (lanes int) {
	t.Helper()
	simulate := func(at *CrashPoint) Result {
		sc.Crash = at
		if store == "folder" {
			sc.Folder = t.TempDir()
		}
		res := Simulate(t, sc)
		for _, p := range res.Problems {
			t.Errorf("%s, %s, crash %s: %s", name, store, at, p)
		}
		return res
	}
	quiet := simulate(nil)
	if len(quiet.Problems) > 0 {
		return quiet.Lanes
	}
	if quiet.Repeats > 0 {
		t.Errorf("%s: %d rows came twice though nobody died", name, quiet.Repeats)
	}
	worst := 0
	for n := range quiet.Calls {
		for _, after := range []bool{false, true} {
			c.points++
			worst = max(worst, simulate(&CrashPoint{n, after}).Repeats)
			if t.Failed() {
				t.FailNow() // the others will hardly say more
			}
		}
	}
	t.Logf("%-22.22s %-6s %3d calls, worst repeat %d rows", name, store, quiet.Calls, worst)
	c.worst = max(c.worst, worst)
	return quiet.Lanes
}

func (c *CrashPoint) String() string {
	if c == nil {
		return "never"
	}
	return fmt.Sprintf("at call %d (after it: %v)", c.Call, c.After)
}
