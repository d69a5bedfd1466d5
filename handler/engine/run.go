package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Outcome says how a run ended.
type Outcome string

const (
	OK      Outcome = "ok"      // caught up
	Partial Outcome = "partial" // its time was up, or it was stopped; the next run goes on
	Skipped Outcome = "skipped" // another run holds the stream
	Stalled Outcome = "stalled" // its time was up, for the second time in a row without a committed page
	Failed  Outcome = "failed"  // an error; position and data stay
)

// Report is what a run did.
type Report struct {
	Connection string        `json:"connection"`
	Connector  string        `json:"connector"`
	Stream     string        `json:"stream"`
	Table      string        `json:"table"`
	Outcome    Outcome       `json:"outcome"`
	Reason     string        `json:"reason,omitempty"`  // a code
	Message    string        `json:"message,omitempty"` // for a person
	Counts     Counts        `json:"counts"`            // of this run, committed
	Pages      int64         `json:"pages"`
	Windows    int64         `json:"windows"`
	Position   time.Time     `json:"position,omitzero"`
	LastEvent  time.Time     `json:"last_event,omitzero"`
	Backlog    time.Duration `json:"backlog_ns"` // how far the position is behind now
	Stalled    int           `json:"stalled_runs,omitempty"`
	Gaps       []Gap         `json:"gaps,omitempty"` // parts of the past that are still being caught up
	// Unfit counts, by column, the values that became null because they did not
	// fit; the rows were sent without them.
	Unfit map[string]int64 `json:"unfit,omitempty"`
	// Late counts the records that were listed only after their time had been
	// passed, by how late they were at most: see Lateness.
	Late      map[string]int64 `json:"late,omitempty"`
	Recovered bool             `json:"recovered,omitempty"` // the newest checkpoint was damaged, an older one served
	Started   time.Time        `json:"started"`
	Duration  time.Duration    `json:"duration_ns"`
	Version   string           `json:"version,omitempty"`

	Err error `json:"-"`
}

// run is one invocation for one stream.
type run struct {
	e        *Engine
	s        *Stream
	deadline time.Time
	end      time.Time // the run is done when the position is here

	c     *Checkpoint // as committed last
	gen   int64
	saved time.Time
	work  Progress // the window being listed, ahead of c

	delivered Counts // of the window being committed: acknowledged and rejected rows

	seen      *memory
	forgotten int       // ids dropped from the front of seen so far
	pageStart int       // ids known when the page being read began, counting the forgotten ones
	reached   time.Time // the newest event then
	listed    time.Time // windows before the present one have been listed up to here

	failed     bool // an upload or its commit failed: nothing more is committed
	progressed bool // something was committed

	out     *batch    // being filled
	flights []*flight // being uploaded, oldest first
	free    [][]byte  // buffers to fill again
	rep     Report
	tail    tail
	logged  time.Time
}

// Run brings the stream up to date, or as far as budget allows, and reports
// how that went. Health is recorded in the store and at the sink.
func (e *Engine) Run(ctx context.Context, s *Stream, budget time.Duration) Report {
	r := &run{e: e, s: s}
	started := e.Clock.Now()
	r.deadline = started.Add(budget)
	r.rep = Report{Connection: s.Connection, Connector: s.Connector, Stream: s.Label(), Table: s.Table, Started: started, Version: e.Version}
	err := r.do(ctx)
	r.finish(err)
	r.noteDrift(s.Mapper.Oddities())
	if r.rep.Outcome != Skipped {
		e.recordHealth(context.WithoutCancel(ctx), &r.rep)
	}
	return r.rep
}

// noteDrift says which columns got values that did not fit: the provider's
// records are not what they were, and the rows were sent without these values.
func (r *run) noteDrift(odd map[string]int64) {
	if len(odd) == 0 {
		return
	}
	r.rep.Unfit = odd
	if r.rep.Reason == "" {
		r.rep.Reason = "schema_drift"
		r.rep.Message = "values did not fit and became null in: " + strings.Join(slices.Sorted(maps.Keys(odd)), ", ")
	}
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
	if err = r.mind(ctx); err == nil {
		err = r.list(ctx)
	}
	if errors.Is(err, ErrLeaseLost) {
		return err
	}
	r.countStall(err)
	if _, rerr := r.e.release(context.WithoutCancel(ctx), r.s.Key(), r.c, r.gen); rerr != nil {
		err = join(err, rerr)
	}
	return err
}

// list brings the lane to its end, as far as time allows.
func (r *run) list(ctx context.Context) error {
	r.seen = newMemory(r.c.Seen)
	r.tail = newTail(r.s)
	r.out = r.newBatch()
	if age := r.saved.Sub(r.c.Position); r.s.Position.Retention > 0 && age > r.s.Position.Retention {
		r.e.Log.Warn("the position is older than what the provider keeps: older records are gone there",
			"stream", r.s.Key(), "position", r.c.Position, "retention", r.s.Position.Retention.String())
	}
	err := r.windows(ctx)
	if !errors.Is(err, ErrLeaseLost) && !r.failed { // complete pages are committed, whatever else stopped the run
		err = join(err, r.drain(ctx))
	}
	r.settle()
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

// errBudget ends a run whose time is up; it is no failure.
var errBudget = errors.New("the run's time is up")

// windows lists one window after the other until the run's end is reached. They
// are planned ahead of what is committed.
func (r *run) windows(ctx context.Context) error {
	r.listed = r.c.Position
	if r.c.Window != nil {
		r.work = *r.c.Window
		if err := r.window(ctx); err != nil {
			return err
		}
		r.listed = r.work.To // not the one planned: a lost page token may have cut it
	}
	for {
		w, ok := r.s.Position.plan(r.listed, r.c.Since, r.end)
		if !ok {
			return nil
		}
		r.work = Progress{Window: w}
		if err := r.window(ctx); err != nil {
			return err
		}
		r.listed = r.work.To
	}
}

// window lists the pages of r.work from its token on.
func (r *run) window(ctx context.Context) error {
	restarted := false
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !r.e.Clock.Now().Before(r.deadline) {
			return errBudget
		}
		page, err := r.fetch(ctx)
		if errors.Is(err, ErrTokenExpired) && !restarted {
			restarted = true
			r.relist()
			continue
		}
		if err != nil {
			return err
		}
		if page.Next != "" && page.Next == r.work.Token {
			return pagingLoop(r.s)
		}
		if err := r.mapPage(ctx, page); err != nil {
			return err
		}
		r.work.Pages++
		r.work.Token = page.Next
		r.mark(page.Next == "")
		if err := r.flush(ctx); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
	}
}

func pagingLoop(s *Stream) error {
	return &Error{Kind: Permanent, Op: "list " + s.Key(), Reason: "paging_loop",
		Hint: "report it with the request's log line", Err: errors.New("the provider names the page just read as the next one")}
}

// relist has the window listed again, because its page token is gone. When that
// means all of it and is not the first time, it is cut in half: else a listing
// that takes longer than its tokens live would never come to an end.
func (r *run) relist() {
	p, w := r.s.Position, &r.work
	from := p.restart(w)
	if w.Restarts++; w.Restarts > 1 && !from.After(w.From) {
		half := r.listed.Add(w.To.Sub(r.listed) / 2)
		if p.Granularity > 0 {
			half = half.Truncate(p.Granularity)
		}
		if half.After(r.listed) {
			w.To = half
		}
	}
	w.From, w.Token = from, ""
}

// flushAfter is how long complete pages may wait for their batch to fill up.
const flushAfter = 5 * time.Second

// flush commits what has been acknowledged, and sends a batch that waits long.
func (r *run) flush(ctx context.Context) error {
	if err := r.reapReady(ctx); err != nil {
		return err
	}
	if len(r.flights) == 0 && r.e.Clock.Now().Sub(r.saved) >= flushAfter {
		b := r.out
		r.out = r.newBatch()
		return r.dispatch(ctx, b)
	}
	return nil
}

func (r *run) fetch(ctx context.Context) (page *Page, err error) {
	if err := r.renew(ctx); err != nil {
		return nil, err
	}
	w := r.s.Position.request(r.work.Window)
	err = r.e.retry(ctx, r.deadline, r.wait, func() error {
		page, err = r.s.Source.Fetch(ctx, w, r.work.Token)
		return err
	})
	return page, err
}

// mapPage turns the records of a page into rows.
func (r *run) mapPage(ctx context.Context, page *Page) error {
	r.tail.now(r.e.Clock.Now())
	r.pageStart, r.reached = r.known(), r.work.Reached
	err := eachRecord(page.Records, func(src []byte) (int, error) { return r.record(ctx, src) })
	if errors.Is(err, errNotClosed) {
		return r.malformed(err)
	}
	return err
}

var errNotClosed = errors.New("the list of records is not closed")

// eachRecord calls f with the rest of a page from each of its records on; f
// returns how long that one is.
func eachRecord(src []byte, f func(src []byte) (int, error)) error {
	p := skipSpace(src, 0)
	isArray := p < len(src) && src[p] == '['
	if isArray {
		p++
	}
	for {
		if p = skipSeparators(src, p); p >= len(src) {
			if isArray {
				return errNotClosed
			}
			return nil
		}
		if isArray && src[p] == ']' {
			return nil
		}
		n, err := f(src[p:])
		if err != nil {
			return err
		}
		p += n
	}
}

// identify returns the EventUid of a record that was just mapped, and the hash
// it is remembered by: of the provider's id, or of the record itself.
func identify(m Mapper, rec []byte) (id []byte, hash idHash) {
	if id = m.ID(); len(id) > 0 {
		return id, hashID(id)
	}
	hash = hashID(rec)
	return hash.text(), hash
}

func (r *run) malformed(err error) error {
	return &Error{Kind: Transient, Op: "read a page of " + r.s.Key(), Reason: "malformed_page",
		Hint: "the position stays; the page is asked for again in the next run", Err: err}
}

// record deals with the record at src[0]: its row is in the batch afterwards,
// or it was filtered, known already, or quarantined.
func (r *run) record(ctx context.Context, src []byte) (int, error) {
	m, b := r.s.Mapper, r.out
	start := b.begin()
	n, buf, err := m.Map(src, b.buf)
	b.buf = buf
	if err != nil {
		return 0, r.malformed(err)
	}
	rec := src[:n]
	id, hash := identify(m, rec)
	at, hasTime := m.EventTime()
	if !hasTime {
		at = r.work.To
	}
	c := &r.work.Counts
	if !r.seen.add(hash, at) {
		c.Repeated++
		b.undo(start)
		return n, nil
	}
	c.Fetched++
	if hasTime {
		r.noteTime(at)
	}
	switch {
	case !m.IsObject():
		b.undo(start)
		return n, r.quarantine(ctx, rec, hash, "not_an_object", "the record is no JSON object")
	case !m.Kept():
		c.Filtered++
		b.undo(start)
		return n, nil
	}
	if m.Truncated() {
		c.Truncated++
		if err := r.e.putQuarantine(ctx, r.s, rec, hash, "truncated", "a text is longer than the service stores; the row was sent with it cut", true); err != nil {
			return n, err
		}
	}
	b.buf = r.tail.seal(b.buf, start, id, m)
	return n, r.place(ctx, start, rec, hash)
}

// noteTime notes when a new record happened. One from before the time that has
// been listed already is late, by its age at most.
func (r *run) noteTime(at time.Time) {
	if at.After(r.work.Reached) {
		r.work.Reached = at
	}
	if at.Before(r.listed) {
		if r.rep.Late == nil {
			r.rep.Late = map[string]int64{}
		}
		r.rep.Late[Lateness(r.e.Clock.Now().Sub(at))]++
	}
}

// Lateness is the class of the histogram that d belongs to: the least of its
// bounds that d does not exceed, or longer.
func Lateness(d time.Duration) string {
	for _, c := range lateness {
		if d <= c.most {
			return c.name
		}
	}
	return "longer"
}

var lateness = []struct {
	most time.Duration
	name string
}{{time.Minute, "1m"}, {5 * time.Minute, "5m"}, {15 * time.Minute, "15m"}, {time.Hour, "1h"}, {6 * time.Hour, "6h"}, {24 * time.Hour, "1d"}}

// place keeps the row that begins at start in the batch, or, when the batch is
// full with it, in a new one.
func (r *run) place(ctx context.Context, start int, rec []byte, hash idHash) error {
	b := r.out
	if size := len(b.buf) - start; size+2 > r.e.BatchBytes {
		b.undo(start)
		return r.quarantine(ctx, rec, hash, "row_too_large", fmt.Sprintf("the row has %d bytes, one upload at most %d", size, r.e.BatchBytes))
	}
	if len(b.buf)+1 > r.e.BatchBytes {
		r.out = r.split(b, start)
		r.markPartial(b)
		if err := r.dispatch(ctx, b); err != nil {
			return err
		}
	}
	r.out.end(rec, hash)
	return nil
}

func (r *run) quarantine(ctx context.Context, rec []byte, h idHash, reason, detail string) error {
	r.work.Counts.Quarantined++
	return r.e.putQuarantine(ctx, r.s, rec, h, reason, detail, false)
}

// known counts the ids seen so far, the forgotten ones included.
func (r *run) known() int { return len(r.seen.list) + r.forgotten }

// mark notes that all of a page is in the batches so far.
func (r *run) mark(closes bool) {
	n := r.known()
	r.out.marks = append(r.out.marks, mark{progress: r.work, rows: len(r.out.ends), seen: n, page: n, closes: closes})
}

// markPartial notes that b is full in the middle of a page: all records of the
// page before the present one, whose row did not fit any more, are dealt with.
// Going on from here, the page is fetched again and they are known; so a crash
// repeats no more than the batches in flight. What the page has reached so far
// says nothing yet: its first records come again.
func (r *run) markPartial(b *batch) {
	w := r.work
	w.Reached = r.reached
	w.Counts.Fetched--
	if r.s.Mapper.Truncated() {
		w.Counts.Truncated--
	}
	b.marks = append(b.marks, mark{progress: w, rows: len(b.ends), seen: r.known() - 1, page: r.pageStart, partial: true})
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
	gen, err := r.e.save(ctx, r.s.Key(), r.c, r.gen)
	if errors.Is(err, ErrConflict) {
		return errors.Join(ErrLeaseLost, err)
	}
	if err != nil {
		return err
	}
	r.gen, r.saved = gen, r.e.Clock.Now()
	return nil
}

// countStall notes whether this run got anywhere, and to its end.
func (r *run) countStall(err error) {
	switch {
	case err == nil:
		r.c.Behind = 0
	case errors.Is(err, errBudget), kindOf(err) == Throttled:
		r.c.Behind++
	}
	if r.progressed || err == nil {
		r.c.StalledRuns = 0
		return
	}
	r.c.StalledRuns++
}

// finish fills in the report.
func (r *run) finish(err error) {
	rep := &r.rep
	now := r.e.Clock.Now()
	rep.Duration = now.Sub(rep.Started)
	rep.Outcome = OK
	if r.c != nil {
		rep.Position, rep.LastEvent, rep.Stalled, rep.Gaps = r.c.Position, r.c.LastEvent, r.c.StalledRuns, r.c.Gaps
		rep.Backlog = max(0, now.Sub(r.c.Position))
		if !r.s.Until.IsZero() {
			rep.Backlog = max(0, r.s.Until.Sub(r.c.Position))
		}
	}
	switch {
	case err == nil:
		return
	case errors.Is(err, ErrHeld):
		rep.Outcome = Skipped
	case errors.Is(err, errBudget):
		rep.Outcome, rep.Reason = Partial, "budget"
		if rep.Stalled >= 2 {
			rep.Outcome, rep.Reason = Stalled, "no_progress"
		}
		rep.Message = "the run's time was up; the next one goes on"
		return
	case r.progressed && kindOf(err) == Throttled:
		rep.Outcome, rep.Reason = Partial, reasonOf(err)
		rep.Message = "the other side asks for a longer wait than the run has time; the next one goes on"
		return
	case errors.Is(err, context.Canceled):
		rep.Outcome, rep.Reason, rep.Message = Partial, "interrupted", "stopped on request; the next run goes on"
		return
	default:
		rep.Outcome = Failed
	}
	rep.Reason, rep.Message, rep.Err = reasonOf(err), err.Error(), err
}

func skipSpace(src []byte, p int) int {
	for p < len(src) && src[p] <= ' ' {
		p++
	}
	return p
}

func skipSeparators(src []byte, p int) int {
	for p < len(src) && (src[p] <= ' ' || src[p] == ',' || src[p] == 0x1e) { // 0x1e: RFC 7464
		p++
	}
	return p
}
