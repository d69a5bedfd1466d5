// Package local is the scheduler for running without the Functions host: it
// reads the same schedules and, like the host, runs a job again only when its
// last run has ended.
package local

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/netresearch/go-cron"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Schedule is a parsed NCRONTAB expression.
type Schedule struct{ s cron.Schedule }

// NCRONTAB has seconds in front, which may be left out, and combines day of
// month and day of week with AND.
var parser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Parse reads "second minute hour day month weekday", in UTC.
func Parse(expr string) (Schedule, error) {
	s, err := parser.Parse(expr)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w; want six fields: second minute hour day month weekday", expr, err)
	}
	// Every day and weekday comes together within 28 years, but for one century.
	if next := s.Next(time.Unix(0, 0).UTC()); next.IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never comes: no month in it has such a day", expr)
	}
	return Schedule{s}, nil
}

// Next is the first time after t.
func (s Schedule) Next(t time.Time) time.Time { return s.s.Next(t.UTC()) }

// Job is something to do on a schedule.
type Job struct {
	Name     string
	Schedule Schedule
	Run      func(context.Context)
}

// Run runs every job once at the start and then on its schedule, until ctx
// ends and the runs under way have returned. Ticks that pass while a job runs
// become one run after it.
func Run(ctx context.Context, clock engine.Clock, jobs []Job) {
	var wg sync.WaitGroup
	for _, j := range jobs {
		wg.Go(func() {
			for ctx.Err() == nil {
				started := clock.Now()
				j.Run(ctx)
				if wait := j.Schedule.Next(started).Sub(clock.Now()); wait > 0 {
					if clock.Sleep(ctx, wait) != nil {
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
