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
