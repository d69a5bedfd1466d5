package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// run is one invocation for one stream. Pages go from listing over filling to committed,
// in their order, and only what is committed is in the checkpoint:
//
//	committed.c ≤ batches in flight ≤ filling.out ≤ listing.work
//
// Whatever ends a run, the store has committed.c as it was saved last.
type run struct {
	e        *Engine
	s        *Stream
	deadline time.Time
	end      time.Time // the run is done when the position is here

	committed
	listing
	asking
	filling

	rep    Report
	logged time.Time
}

// committed is what the store has.
type committed struct {
	c     *Checkpoint // as saved last, or as it is about to be
	gen   int64       // its generation
	saved time.Time

	delivered  Counts  // of the window being committed: what became of its records so far
	progressed bool    // something was committed
	failed     bool    // an upload or its commit failed: nothing more is committed
	falling    bool    // it is further behind than some runs ago
	gone       *Window // what the provider no longer had
}

// listing is how far the provider has been asked.
type listing struct {
	work    Progress  // the window being listed
	listed  time.Time // windows before it have been listed up to here
	cursor  string    // the page token that the next one begins with
	doubted time.Time // Checkpoint.Doubted, then

	seen  *memory
	until time.Time // what the page lists is from before, as far as the provider's filter is right
	floor time.Time // ids of windows that ended before are forgotten when the present one ends

	page  reading         // the page being read
	asked map[idHash]bool // page tokens of the listing so far
	watch watch           // whether the listing leads on
	news  bool            // the run has brought something that was not known
}

// asking is what is known of the calls to the provider.
type asking struct {
	answer   error         // the last one's
	pageTook time.Duration // the last page
	paged    bool          // there was one
	waited   time.Duration // for an answer that had not come when the time was up
	ahead    *call         // for the page that comes next, while the one before is dealt with
	astray   bool          // the provider may be ahead of what is committed
	cutLine  idHash        // the last line of a page that may have been cut on its way
}

// filling is what is on its way to the sink.
type filling struct {
	out     *batch      // being filled
	flights []*flight   // being uploaded, oldest first
	sends   []*delivery // by the stream's tables
	free    [][]byte    // buffers to fill again
	stamp   Stamp
	names   *names
}

// reading is what is known of the page that is being read.
type reading struct {
	began   arrival   // ids known when it began
	reached time.Time // the newest event then
	doubt   bool      // it has a record from after Progress.Proof
	sum     pageSum
}

// stampOf is the stamp of the stream's records, but for the time and their names.
func stampOf(s *Stream) Stamp { return Stamp{Connection: s.Connection, Backfill: s.Lane != ""} }

// Run brings the stream up to date, or as far as budget allows, and reports
// how that went. Health is recorded in the store and at the sink.
func (e *Engine) Run(ctx context.Context, s *Stream, budget time.Duration) Report {
	r := &run{e: e, s: s}
	started := e.Clock.Now()
	r.deadline = started.Add(budget)
	r.sends = newDeliveries(e, s, r.deadline)
	r.stamp = stampOf(s)
	r.rep = Report{Connection: s.Connection, Connector: s.Connector, Stream: s.Label(), Table: s.Table(), Started: started, Version: e.Version}
	ctx, observed := e.beginRun(ctx, &r.rep)
	inTime, cancel := e.until(ctx, r.deadline, uploadGrace)
	defer cancel()
	err := r.do(inTime)
	r.finish(err)
	r.noteGone()
	r.noteDrift(s.Mapper.Oddities())
	last, cancel := r.closing(ctx)
	defer cancel()
	if r.c == nil && r.rep.Outcome == Failed {
		r.rep.follow(e.lastReport(last, s.Key()))
	}
	if r.rep.Outcome != Skipped || e.quiet(last, s.Key()) {
		e.recordHealth(last, &r.rep)
	}
	r.rep.observed(ctx, e.Observer, observed)
	return r.rep
}

func (r *run) do(ctx context.Context) error {
	var err error
	if r.c, r.gen, r.rep.Recovered, err = r.e.claim(ctx, r.s); err != nil {
		return err
	}
	r.saved = r.e.Clock.Now()
	r.logged = r.saved
	r.end = r.saved.Add(-r.s.Position.Lag)
	if until := r.s.Until; !until.IsZero() && until.Before(r.end) {
		r.end = until
	}
	if sink, ok := r.e.Sink.(Timed); ok {
		err = sink.CheckClock(ctx)
	}
	if err == nil {
		err = r.skipGone(ctx)
	}
	if err == nil {
		err = r.mind(ctx)
	}
	if err == nil {
		err = r.list(ctx)
	}
	if errors.Is(err, ErrLeaseLost) {
		return err
	}
	if r.s.Position.Moving && r.astray {
		r.c.forgetTokens()
	}
	r.countStall(err)
	last, cancel := r.closing(ctx)
	defer cancel()
	if _, rerr := r.e.release(last, r.s.Key(), r.c, r.gen); rerr != nil {
		err = join(err, rerr)
	}
	return err
}

// list brings the lane to its end, as far as time allows.
func (r *run) list(ctx context.Context) error {
	r.seen = newMemory(r.c.Seen, 2*r.e.PartIDs)
	if k, ok := r.s.Source.(Knowing); ok {
		k.Know(func(key []byte) bool {
			h := hashID(key)
			return r.seen.has(h) && !r.seen.add(h, r.until, r.floor)
		})
		defer k.Know(func([]byte) bool { return false })
	}
	defer r.placed()()
	r.names = newNames(r.s)
	r.out = r.newBatch()
	err := r.windows(ctx)
	if r.refusesOlder(err) {
		err = r.fromOldest(ctx, err)
	}
	if !errors.Is(err, ErrLeaseLost) && !r.failed { // complete pages are committed, whatever else stopped the run
		err = join(err, r.drain(ctx))
	}
	r.settle()
	r.noteRefusal(err)
	return err
}

// join is errors.Join, but leaves a single error as it is.
func join(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return errors.Join(a, b)
}

// windows lists one window after the other until the run's end is reached. They
// are planned ahead of what is committed.
func (r *run) windows(ctx context.Context) error {
	defer r.dropAhead()
	r.listed, r.cursor, r.doubted = r.c.Position, r.c.Cursor, r.c.Doubted
	if r.c.Window != nil {
		r.work = *r.c.Window
		if err := r.window(ctx); err != nil {
			return err
		}
	}
	for {
		w, ok := r.s.Position.plan(r.listed, r.c.Since, r.end)
		if !ok {
			return nil
		}
		r.work = Progress{Window: w, Token: r.cursor, Cursor: r.cursor, Disorder: !w.To.After(r.doubted)}
		if err := r.window(ctx); err != nil {
			return err
		}
	}
}

// window lists the pages of r.work from its token on, and once anew when the token
// is not taken any more.
func (r *run) window(ctx context.Context) error {
	restarted := false
	var kept *Progress // where the listing was before it began anew on suspicion
	r.begin()
	r.span()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !r.timeForAPage() {
			return errBudget
		}
		page, err := r.fetch(ctx)
		switch expired := errors.Is(err, ErrTokenExpired); {
		case err == nil:
			kept, r.work.Refused = nil, 0
		case !restarted && (expired || r.suspects(err)):
			if restarted = true; !expired {
				before := r.work
				kept = &before
			}
			r.relist(r.work.Restarts > 0) // the first time it may just have been long ago
			continue
		case kept != nil: // the beginning cannot be had either: it was not the token
			r.work = *kept
			return err
		default:
			return err
		}
		r.astray = true
		closed, err := r.take(ctx, page)
		if err != nil {
			return err
		}
		r.astray = false
		if closed {
			r.listed, r.cursor = r.work.To, r.work.Cursor // not the end planned: a lost page token may have cut it
			r.doubted = later(r.doubted, r.work.doubted())
			return nil
		}
	}
}

// take deals with a page of the window and notes which one is the next. closed says
// that it was the last.
func (r *run) take(ctx context.Context, page *Page) (closed bool, err error) {
	r.asked[hashID([]byte(r.work.Token))] = true
	if page.Next != "" && r.asked[hashID([]byte(page.Next))] {
		return false, pagingLoop(r.s)
	}
	alone := page.Commit || shareOf(ctx).large()
	r.askAhead(ctx, page)
	if err := r.mapPage(ctx, page); err != nil {
		return false, err
	}
	for _, key := range page.Done {
		r.seen.add(hashID(key), r.until, r.floor)
	}
	r.news = r.news || r.page.sum.fresh || len(page.Done) > 0
	if err := r.leadsOn(page); err != nil {
		return false, err
	}
	w := &r.work
	w.Token = page.Next
	if page.Cursor != "" {
		w.Cursor = page.Cursor
	}
	w.Pages++
	if !page.Part {
		w.Listing++
	}
	closed = page.Next == ""
	switch full := r.s.MaxPages > 0 && w.Listing >= r.s.MaxPages; {
	case !w.Proof.IsZero() && (closed || r.page.doubt):
		closed = false
		r.relist(false)
	case full && !closed && !r.relist(true):
		return false, &Error{Kind: Permanent, Op: "list " + r.s.Key(), Reason: "page_limit",
			Err: fmt.Errorf("the provider lists %d pages of a window, and the one from %s has more and cannot be cut", r.s.MaxPages, w.From.Format(time.RFC3339))}
	}
	r.mark(page, closed)
	if alone {
		return closed, r.commitAll(ctx)
	}
	return closed, r.flush(ctx)
}

// relist has the window listed again from where it cannot be complete. If that
// gets nowhere and cutting is set, the window is cut in half: else a listing that
// takes longer than its page tokens live, or more pages than the provider lists,
// would never come to an end. It reports whether anything has changed.
func (r *run) relist(cutting bool) bool {
	p, w := r.s.Position, &r.work
	before := w.asked()
	if !w.Proof.IsZero() { // what the last listing began by has not been found true
		w.Disorder = true
	}
	from := p.restart(w)
	if cutting && p.Kind == Windows && !from.After(before.From) {
		r.cut()
	}
	if from.After(w.From) {
		w.resume(from)
	} else {
		w.beginAnew()
	}
	r.begin()
	return w.asked() != before
}

// cut halves what is left of the window.
func (r *run) cut() {
	p, w := r.s.Position, &r.work
	done := r.listed
	if p.Ascending && !w.Disorder { // of what is known only the ids close to it are remembered
		done = later(done, w.Reached)
	}
	if half := p.align(done.Add(w.To.Sub(done) / 2)); half.After(done) {
		w.Cut = later(w.Cut, w.To)
		w.To = half
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func pagingLoop(s *Stream) error {
	return &Error{Kind: Permanent, Op: "list " + s.Key(), Reason: "paging_loop",
		Hint: "report it with the request's log line", Err: errors.New("the provider names the page just read as the next one")}
}

// flushAfter is how long complete pages may wait for their batch to fill up.
const flushAfter = 5 * time.Second

// flush commits what has been acknowledged, and sends a batch that waits long.
func (r *run) flush(ctx context.Context) error {
	if err := r.reapReady(ctx); err != nil {
		return err
	}
	if len(r.flights) == 0 && r.e.Clock.Now().Sub(r.saved) >= flushAfter {
		return r.send(ctx)
	}
	return nil
}

// send dispatches the batch as it is.
func (r *run) send(ctx context.Context) error {
	b := r.out
	r.out = r.newBatch()
	return r.dispatch(ctx, b)
}

// commitAll delivers and commits all complete pages.
func (r *run) commitAll(ctx context.Context) error {
	if err := r.send(ctx); err != nil {
		return err
	}
	return r.reapAll(ctx)
}

func (r *run) fetch(ctx context.Context) (page *Page, err error) {
	if err := r.renew(ctx); err != nil {
		return nil, err
	}
	w := r.s.Position.request(r.work.asked())
	err = r.e.retry(ctx, r.deadline, r.wait, func() error {
		page, err = r.ask(ctx, w)
		r.answer = err
		if kind := kindOf(err); err != nil && kind != Throttled && kind != Auth {
			r.astray = true // it may have been sent
		}
		if err == nil {
			err = r.whole(page)
		}
		return err
	})
	if err == nil {
		r.e.Log.Debug("page", "stream", r.s.Key(), "from", w.From, "to", w.To, "number", r.work.Pages+1, "bytes", len(page.Records), "more", page.Next != "")
	}
	return page, err
}

// wait sleeps, and renews the lease meanwhile.
func (r *run) wait(ctx context.Context, d time.Duration) error {
	return r.e.inSteps(ctx, d, func() error { return r.renew(ctx) })
}

// inSteps sleeps for d and calls each often enough to keep a lease alive.
func (e *Engine) inSteps(ctx context.Context, d time.Duration, each func() error) error {
	for d > 0 {
		step := min(d, e.LeaseTTL/3)
		if err := e.Clock.Sleep(ctx, step); err != nil {
			return err
		}
		if err := each(); err != nil {
			return err
		}
		d -= step
	}
	return nil
}

// renew writes the checkpoint as it is when the lease is a third gone.
func (r *run) renew(ctx context.Context) error {
	if r.e.Clock.Now().Sub(r.saved) < r.e.LeaseTTL/3 {
		return nil
	}
	return r.save(ctx)
}

func (r *run) save(ctx context.Context) error {
	ctx, observed := r.e.begin(ctx, "commit")
	gen, err := r.e.save(ctx, r.s.Key(), r.c, r.gen)
	observed(err)
	if errors.Is(err, ErrConflict) {
		return errors.Join(ErrLeaseLost, err)
	}
	if err != nil {
		return err
	}
	r.gen, r.saved = gen, r.e.Clock.Now()
	r.e.Log.Debug("commit", "stream", r.s.Key(), "generation", gen, "position", r.c.Position, "last_event", r.c.LastEvent)
	return nil
}

// countStall notes whether this run got anywhere, and to its end.
func (r *run) countStall(err error) {
	c := r.c
	switch waits := kindOf(err) == Throttled && reasonOf(err) != JobRunning; {
	case err == nil:
		c.Behind, c.Idle = 0, 0
	case errors.Is(err, errBudget), waits:
		c.Behind++
		if c.Idle++; r.news || r.rep.Windows > 0 {
			c.Idle = 0
		}
		r.noteFalling()
	}
	if r.progressed || err == nil {
		c.StalledRuns = 0
		return
	}
	c.StalledRuns++
}

// patience is how many runs in a row may end without having caught up, and without
// coming closer to it.
const patience = 3

// noteFalling compares how far a stream is behind with how far it was when it fell
// behind. Where pages do not come oldest first that shows only as windows are closed.
func (r *run) noteFalling() {
	c, p := r.c, r.s.Position
	at := c.Position
	if p.Ascending || p.Kind == Cursor {
		at = later(at, c.LastEvent)
	}
	behind := r.e.Clock.Now().Sub(at)
	switch {
	case c.Behind == 1:
		c.BehindBy = behind
	case c.Behind >= patience && behind >= c.BehindBy:
		r.falling = p.Ascending || p.Kind == Cursor || r.rep.Windows > 0
	}
}
