package local

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/schedule"
)

func TestJobsRunAtOnceThenOnScheduleAndNeverOverlap(t *testing.T) {
	clock := memory.NewClock(time.Date(2026, 11, 22, 10, 2, 30, 0, time.UTC))
	every5, err := schedule.Parse("0 */5 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var at []string
	Run(ctx, clock, []Job{{Name: "j", Schedule: every5, Run: func(context.Context) {
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

// TestAJobRunsAfterItsTick, each time by as much, so that jobs of one schedule are apart.
func TestAJobRunsAfterItsTick(t *testing.T) {
	clock := memory.NewClock(time.Date(2026, 11, 22, 10, 2, 30, 0, time.UTC))
	every5, err := schedule.Parse("0 */5 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var at []string
	Run(ctx, clock, []Job{{Name: "j", Schedule: every5, After: 7 * time.Second, Run: func(context.Context) {
		if at = append(at, clock.Now().Format("15:04:05")); len(at) == 4 {
			cancel()
		}
	}}})
	if want := []string{"10:02:30", "10:05:07", "10:10:07", "10:15:07"}; !slices.Equal(at, want) {
		t.Errorf("ran at %v, want %v", at, want)
	}
}
