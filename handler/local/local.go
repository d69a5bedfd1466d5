// Package local is the scheduler for running without the Functions host: it
// reads the same schedules and, like the host, runs a job again only when its
// last run has ended.
package local

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/schedule"
)

// Job is something to do on a schedule.
type Job struct {
	Name     string
	Schedule schedule.Schedule
	After    time.Duration // how long after its tick it runs
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
				if wait := j.Schedule.Next(started.Add(-j.After)).Add(j.After).Sub(clock.Now()); wait > 0 {
					if clock.Sleep(ctx, wait) != nil {
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
