package memory

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Clock is a virtual clock: sleeping moves it on and takes no time.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	Slept []time.Duration // all sleeps, in order
}

var _ engine.Clock = (*Clock)(nil)

// NewClock returns a Clock that shows t.
func NewClock(t time.Time) *Clock { return &Clock{now: t} }

// Now implements engine.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep implements engine.Clock.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.Slept = append(c.Slept, d)
	return nil
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
