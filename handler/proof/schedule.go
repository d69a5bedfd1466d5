package proof

import (
	"cmp"
	"context"
	"hash/fnv"
	"math/rand"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// seedSDK makes the pauses of Azure's client libraries, which draw a random
// part from package math/rand, follow from the seed too.
func seedSDK(seed uint64) {
	if !strings.Contains(os.Getenv("GODEBUG"), "randseednop=0") {
		_ = os.Setenv("GODEBUG", strings.TrimPrefix(os.Getenv("GODEBUG")+",randseednop=0", ","))
	}
	//lint:ignore SA1019 there is no other way to the generator that azcore uses
	rand.Seed(int64(seed))
}

// scheduler lets one call of the outside world happen at a time.
type scheduler struct {
	mu       sync.Mutex
	waiting  []*call
	finished bool
	wake     chan struct{} // a call has come, or the world has ended
	running  sync.WaitGroup
}

// call is a call that waits for its turn.
type call struct {
	p    *process
	key  string // what it is, the same in a replay
	turn chan struct{}
}

// schedule gives turns until the world has ended. It only acts when every
// goroutine of the world waits for something, so that the choice is among all
// calls that are possible, and nothing but the choice decides what happens.
func (w *World) schedule() {
	for {
		synctest.Wait()
		w.mu.Lock()
		if w.finished {
			w.mu.Unlock()
			return
		}
		ready, next := w.ready()
		w.mu.Unlock()
		if len(ready) > 0 {
			close(ready[w.rng.IntN(len(ready))].turn)
			continue
		}
		var thaw <-chan time.Time
		if !next.IsZero() {
			thaw = time.After(time.Until(next))
		}
		select { // time passes
		case <-w.wake:
		case <-thaw:
		}
	}
}

// ready returns the calls that may go on, in an order that does not depend on
// chance, and when the next of the frozen ones may. In the calm nobody is frozen.
func (w *World) ready() (ready []*call, next time.Time) {
	now := time.Now()
	for _, c := range w.waiting {
		if thaw := c.p.frozen; thaw.After(now) && !w.calm.Load() {
			if next.IsZero() || thaw.Before(next) {
				next = thaw
			}
			continue
		}
		ready = append(ready, c)
	}
	slices.SortStableFunc(ready, func(a, b *call) int {
		return cmp.Or(cmp.Compare(a.p.id, b.p.id), cmp.Compare(a.key, b.key))
	})
	return ready, next
}

func (w *World) finish() {
	w.mu.Lock()
	w.finished = true
	w.mu.Unlock()
	w.nudge()
}

func (w *World) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// step is one call of the outside world: it waits for its turn, takes effect,
// and takes time. The process may die before or after the effect, or be frozen.
func (p *process) step(ctx context.Context, service, key string, effect func() time.Duration) error {
	w := p.w
	c := &call{p: p, key: service + " " + key, turn: make(chan struct{})}
	w.mu.Lock()
	w.waiting = append(w.waiting, c)
	w.mu.Unlock()
	w.nudge()
	var err error
	select {
	case <-c.turn:
	case <-p.death:
	case <-ctx.Done():
		err = ctx.Err()
	}
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(other *call) bool { return other == c })
	w.mu.Unlock()
	switch {
	case p.dead.Load():
		runtime.Goexit() // as a killed process does: nothing more happens
	case err != nil:
		return err
	}
	n := w.calls
	w.calls++
	w.note(c)
	if w.dies(n, false) {
		p.die()
	}
	wait := effect()
	if w.dies(n, true) {
		p.die()
	}
	if !w.calm.Load() && w.rng.Float64() < w.Freezes {
		w.freezes++
		p.frozen = time.Now().Add(time.Duration(1+w.rng.IntN(10)) * time.Minute)
	}
	if err := sleep(ctx, wait); err != nil {
		return err
	}
	if p.dead.Load() {
		runtime.Goexit()
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// dies decides whether the process dies at call n.
func (w *World) dies(n int, after bool) bool {
	if c := w.Crash; c != nil {
		return c.Call == n && c.After == after
	}
	return !w.calm.Load() && w.Deaths > 0 && w.rng.Float64() < w.Deaths/2
}

// note adds a call to the digest by which replays are compared.
func (w *World) note(c *call) {
	h := fnv.New64a()
	line := time.Now().UTC().Format("15:04:05.000") + " " + c.key
	_, _ = h.Write([]byte(line))
	w.digest = w.digest*1099511628211 ^ h.Sum64()
	if traced {
		w.t.Log(line)
	}
}

// traced has every call logged.
var traced = os.Getenv("SLUICE_TRACE") != ""
