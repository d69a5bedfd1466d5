package local

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/memory"
)

func TestSchedulesAreReadAsTheHostReadsThem(t *testing.T) {
	from := time.Date(2026, 11, 22, 10, 2, 30, 0, time.UTC) // a Sunday
	for expr, want := range map[string]string{
		"0 */5 * * * *":        "2026-11-22T10:05:00Z",
		"*/10 * * * * *":       "2026-11-22T10:02:40Z",
		"0 30 9 * * Mon-Fri":   "2026-11-23T09:30:00Z",
		"0 30 9 * Jan Mon":     "2027-01-04T09:30:00Z",
		"0 0 0 13 * 5":         "2026-11-13T00:00:00Z", // Friday the 13th: AND, where Unix cron has OR
		"*/5 * * * *":          "2026-11-22T10:05:00Z", // five fields: the seconds are 0
		"0 0 12 * * 0":         "2026-11-22T12:00:00Z", // 0 is Sunday
		"15,45 0-3 10 * * sun": "2026-11-22T10:02:45Z",
	} {
		s, err := Parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		at := from
		if expr == "0 0 0 13 * 5" {
			at = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
		}
		if got := s.Next(at).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: next %s, want %s", expr, got, want)
		}
	}
	for _, expr := range []string{"", "often", "* * * *", "61 * * * * *", "0 0 25 * * *"} {
		if _, err := Parse(expr); err == nil {
			t.Errorf("%q is no schedule", expr)
		}
	}
}

func TestJobsRunAtOnceThenOnScheduleAndNeverOverlap(t *testing.T) {
	clock := memory.NewClock(time.Date(2026, 11, 22, 10, 2, 30, 0, time.UTC))
	every5, err := Parse("0 */5 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var at []string
	Run(ctx, clock, []Job{{"j", every5, func(context.Context) {
		at = append(at, clock.Now().Format("15:04:05"))
		switch len(at) {
		case 2:
			clock.Advance(12 * time.Minute) // longer than the interval: two ticks are missed
		case 4:
			cancel()
		}
	}}})
	if want := []string{"10:02:30", "10:05:00", "10:17:00", "10:20:00"}; !slices.Equal(at, want) {
		t.Errorf("ran at %v, want %v", at, want)
	}
}
