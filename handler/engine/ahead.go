package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// call is a question to the source that is on its way. There is one at a time: while a
// page is dealt with it may be the one for the page that follows, and that is then taken
// as if it had been asked for in its turn. Only what was taken counts for anything.
type call struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the answer is there

	page *Page
	err  error
	took time.Duration
	late bool   // no answer came in the run's time
	fell string // what the source panicked with
}

// errNoAnswer is what a call has for an answer before it has one.
var errNoAnswer = errors.New("no answer came")

// call asks for a page.
func (r *run) call(ctx context.Context, w Window, token string) *call {
	inTime, cancel := r.e.until(ctx, r.deadline, fetchGrace)
	c := &call{cancel: cancel, done: make(chan struct{}), err: errNoAnswer}
	go func() {
		defer close(c.done)
		defer func() {
			if v := recover(); v != nil {
				c.fell = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
			}
		}()
		asked := r.e.Clock.Now()
		in, observed := r.e.begin(inTime, "fetch", slog.Time("from", w.From), slog.Time("to", w.To))
		page, err := r.s.Source.Fetch(in, w, token)
		observed(err)
		c.page, c.err, c.took = page, err, r.e.Clock.Now().Sub(asked)
		c.late = err != nil && inTime.Err() != nil && !errors.Is(ctx.Err(), context.Canceled)
	}()
	return c
}

// ask is the answer to a call for the page of r.work, which may have been made before.
// The lease is kept alive meanwhile.
func (r *run) ask(ctx context.Context, w Window) (*Page, error) {
	share := shareOf(ctx)
	share.settle() // the page before has been dealt with
	c := r.ahead
	if r.ahead = nil; c == nil {
		c = r.call(ctx, w, r.work.Token)
	}
	defer c.drop()
	if err := r.await(ctx, c.done, nil); err != nil {
		return nil, err
	}
	if c.fell != "" {
		panic(c.fell)
	}
	if c.err != nil {
		share.forget(r.holds())
		if c.late {
			r.waited = c.took
			return nil, errBudget
		}
		return nil, c.err
	}
	share.turn(r.holds())
	r.pageTook, r.paged = c.took, true
	return c.page, nil
}

// drop ends a call, whose answer nobody waits for any more.
func (c *call) drop() {
	c.cancel()
	<-c.done
}

// askAhead asks for the page after one that is about to be dealt with, where that can be
// done before it is. The next call is for that page, or the listing begins anew.
func (r *run) askAhead(ctx context.Context, page *Page) {
	w := &r.work
	full := r.s.MaxPages > 0 && w.Listing+1 >= r.s.MaxPages
	if !page.Steady || page.Next == "" || page.Commit || full || !w.Proof.IsZero() || shareOf(ctx).large() || !r.timeForAPage() {
		return
	}
	r.ahead = r.call(ctx, r.s.Position.request(w.asked()), page.Next)
}

// dropAhead ends the call for a page that is not the next one any more.
func (r *run) dropAhead() {
	if r.ahead != nil {
		r.ahead.drop()
		r.ahead = nil
	}
}

// holds is how much the source keeps from one call to the next.
func (r *run) holds() int {
	if h, ok := r.s.Source.(Holding); ok {
		return h.Holds()
	}
	return 0
}
