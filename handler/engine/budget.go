package engine

import (
	"context"
	"errors"
	"time"
)

// A run is over half a minute after its time is up, whatever hangs: every call
// has an end, that of what comes later in a run a later one.
const (
	fetchGrace  = 15 * time.Second
	uploadGrace = 22 * time.Second
	closeGrace  = 4 * time.Second // for each of the last two: the lease is given back, health is recorded
)

// errBudget ends a run whose time is up; it is no failure.
var errBudget = errors.New("the run's time is up")

// until is ctx with an end: grace after the deadline.
func (e *Engine) until(ctx context.Context, deadline time.Time, grace time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, deadline.Sub(e.Clock.Now())+grace)
}

// closing is ctx for what ends a run, also one that was stopped.
func (r *run) closing(ctx context.Context) (context.Context, context.CancelFunc) {
	return r.e.until(context.WithoutCancel(ctx), later(r.deadline, r.e.Clock.Now()), closeGrace)
}

// await waits for done and keeps the lease alive meanwhile. signs come from what
// knows that it takes time, of which a ticker need not notice anything in a test.
func (r *run) await(ctx context.Context, done, signs <-chan struct{}) error {
	tick := time.NewTicker(r.e.LeaseTTL / 6)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-signs:
		case <-tick.C:
		}
		select {
		case <-done: // of two that are ready, chance took the other
			return nil
		default:
		}
		if err := r.renew(ctx); err != nil {
			return err
		}
	}
}

// timeForAPage reports whether another page may be begun. Each run gets one, however
// long it took to begin; another that took as long as the last one did must not be cut
// off, and asked for again.
func (r *run) timeForAPage() bool {
	left := r.deadline.Sub(r.e.Clock.Now())
	return !r.paged && left > -fetchGrace/2 || left > 0 && r.pageTook < left+fetchGrace
}
