package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// flight is a batch on its way.
type flight struct {
	*batch
	done     chan struct{}
	signs    chan struct{} // now and then, that the upload has to wait
	rejected []bool        // by record, of which a row was refused; nil: none
	err      error
}

// load is the part of a flight that is for one table.
type load struct {
	*flight
	*part
}

// delivery sends what a run has for one table, and minds whether the sink takes anything.
// Several uploads use it at once.
type delivery struct {
	e        *Engine
	s        *Stream
	table    *Table
	deadline time.Time

	mu      sync.Mutex
	taken   bool  // the sink has taken a row of the table
	inRow   int   // rows refused one by one since then
	asked   bool  // the canary was sent
	refused error // nothing is taken any more
}

func newDeliveries(e *Engine, s *Stream, deadline time.Time) (list []*delivery) {
	for i := range s.Tables {
		list = append(list, &delivery{e: e, s: s, table: &s.Tables[i], deadline: deadline})
	}
	return list
}

// dispatch uploads b in the background. It waits while too many are under way.
func (r *run) dispatch(ctx context.Context, b *batch) error {
	for len(r.flights) >= max(r.e.InFlight, 1) {
		if err := r.reap(ctx); err != nil {
			return err
		}
	}
	f := &flight{batch: b, done: make(chan struct{}), signs: make(chan struct{}, 1)}
	r.flights = append(r.flights, f)
	if len(b.recs) == 0 {
		close(f.done)
		return nil
	}
	go func() {
		defer close(f.done)
		f.err = sendAll(ctx, r.sends, f)
	}()
	return nil
}

// sendAll uploads what a flight has, table by table.
func sendAll(ctx context.Context, sends []*delivery, f *flight) error {
	for i := range f.parts {
		if n := len(f.parts[i].ends); n > 0 {
			if err := sends[i].send(ctx, load{f, &f.parts[i]}, 0, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// ended reports whether the upload is over, one way or the other.
func (f *flight) ended() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// send uploads rows [i, j). What is too long for an upload is halved, and so is what the
// sink rejects for its content, until the bad row is alone; that goes to quarantine.
func (d *delivery) send(ctx context.Context, l load, i, j int) error {
	if err := d.verdict(); err != nil {
		return err
	}
	if j-i > 1 && l.size(i, j) > d.e.BatchBytes {
		return d.halves(ctx, l, i, j)
	}
	err := d.upload(ctx, l, i, j)
	switch {
	case err == nil:
		return nil
	case kindOf(err) != Rejected:
		return err
	case !d.takes():
		return d.prove(ctx, l, i, j, err)
	case j-i > 1:
		return d.halves(ctx, l, i, j)
	}
	return d.reject(ctx, l, i, err)
}

func (d *delivery) halves(ctx context.Context, l load, i, j int) error {
	mid := (i + j) / 2
	if err := d.send(ctx, l, i, mid); err != nil {
		return err
	}
	return d.send(ctx, l, mid, j)
}

// upload sends rows [i, j). When ctx ends, the upload under way is still completed,
// so that it need not be repeated.
func (d *delivery) upload(ctx context.Context, l load, i, j int) error {
	err := d.post(ctx, l.flight, l.part.upload(d.table, i, j))
	if err == nil {
		d.mu.Lock()
		d.taken, d.inRow = true, 0
		d.mu.Unlock()
	}
	return err
}

func (d *delivery) post(ctx context.Context, f *flight, b Batch) error {
	whole, cancel := d.e.until(context.WithoutCancel(ctx), d.deadline, uploadGrace)
	defer cancel()
	whole, observed := d.e.begin(whole, "upload", slog.String("table", b.Table), slog.Int("rows", b.Count()), slog.Int("bytes", len(b.Rows)))
	began := d.e.Clock.Now()
	err := d.e.retry(ctx, d.deadline, f.wait(d.e), func() error { return d.e.Sink.Upload(whole, b) })
	observed(err)
	d.e.Log.Debug("batch", "stream", d.s.Key(), "table", b.Table, "rows", b.Count(), "bytes", len(b.Rows), "ms", d.e.Clock.Now().Sub(began).Milliseconds(), "taken", err == nil)
	return err
}

// wait sleeps and lets the run renew its lease meanwhile.
func (f *flight) wait(e *Engine) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		return e.inSteps(ctx, d, func() error {
			select {
			case f.signs <- struct{}{}:
			default:
			}
			return nil
		})
	}
}

// takes reports whether a row was taken, so that one that is refused is at fault.
func (d *delivery) takes() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken
}

// verdict is an error once it is known that nothing is taken.
func (d *delivery) verdict() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

// trial is what the sink says of rows that are sent one by one while it has taken none.
type trial struct {
	rows []int
	errs []error // by row; nil: it was taken

	canary bool // was taken
}

const (
	sample  = 3  // rows that are tried before the canary
	samples = 16 // and when that is taken
)

// prove looks into a refusal while no row has been taken: a few rows are sent one
// by one. When they are refused alike it is not the rows that are at fault, and
// the run ends. When one is taken, the others are sent as ever.
func (d *delivery) prove(ctx context.Context, l load, i, j int, refusal error) error {
	t := &trial{}
	if j-i == 1 {
		t.rows, t.errs = []int{i}, []error{refusal} // it has been tried
	} else if err := d.try(ctx, l, t, spread(i, j, sample)); err != nil {
		return err
	}
	if len(t.rows) < j-i && t.refusedAlike() && d.first() { // the others may be better
		if err := d.vouch(ctx, l, refusal); err != nil {
			return err
		}
		t.canary = true
		if err := d.try(ctx, l, t, spread(i, j, samples)); err != nil {
			return err
		}
	}
	if err := d.judge(ctx, l, t); err != nil {
		return err
	}
	for k, err := range t.errs {
		if err == nil {
			continue
		}
		if err := d.reject(ctx, l, t.rows[k], err); err != nil {
			return err
		}
	}
	return d.sendRest(ctx, l, i, j, slices.Sorted(slices.Values(t.rows)))
}

// try sends rows one by one until one is taken.
func (d *delivery) try(ctx context.Context, l load, t *trial, rows []int) error {
	for _, row := range rows {
		if slices.Contains(t.rows, row) {
			continue
		}
		err := d.upload(ctx, l, row, row+1)
		if err != nil && kindOf(err) != Rejected {
			return err
		}
		t.rows, t.errs = append(t.rows, row), append(t.errs, err)
		if err == nil {
			return nil
		}
	}
	return nil
}

// refusedAlike reports whether none was taken, and all for the same reason.
func (t *trial) refusedAlike() bool {
	for _, err := range t.errs {
		if err == nil || err.Error() != t.errs[0].Error() {
			return false
		}
	}
	return true
}

// spread chooses at most n of rows [i, j), the first and the last among them.
func spread(i, j, n int) []int {
	n = min(n, j-i)
	rows := make([]int, n)
	for k := range rows {
		rows[k] = i + k*(j-i-1)/max(n-1, 1)
	}
	return rows
}

// sendRest sends rows [i, j) without those that were sent one by one.
func (d *delivery) sendRest(ctx context.Context, l load, i, j int, done []int) error {
	for _, at := range append(done, j) {
		if at > i {
			if err := d.send(ctx, l, i, at); err != nil {
				return err
			}
		}
		i = at + 1
	}
	return nil
}

// judge decides over rows that were sent one by one while none was taken: an error
// means that the sink takes nothing, else those that were refused are at fault
// themselves. A lone one is when a canary is taken, and so are several that were
// refused for different reasons. The canary goes once: a sink may take canaries and
// no events.
func (d *delivery) judge(ctx context.Context, l load, t *trial) error {
	alike := t.refusedAlike()
	switch last := len(t.errs) - 1; {
	case t.errs[last] == nil:
		return nil
	case alike && last > 0, !t.canary && !d.first():
		return d.refuse(t.errs[0])
	case !t.canary:
		if err := d.vouch(ctx, l, t.errs[0]); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.taken = d.taken || !alike
	d.mu.Unlock()
	return nil
}

// first reports whether the canary has not been sent, and notes that it is.
func (d *delivery) first() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = true
	return !asked
}

// vouch sends the canary: an error means that it is refused as the rows were.
func (d *delivery) vouch(ctx context.Context, l load, refusal error) error {
	err := d.post(ctx, l.flight, d.e.Notices.Canary(d.table.Name, d.e.Clock.Now()))
	if err == nil || kindOf(err) != Rejected {
		return err
	}
	d.mu.Lock()
	d.taken = false
	d.mu.Unlock()
	return d.refuse(refusal)
}

// refuse notes that nothing is taken.
func (d *delivery) refuse(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken {
		return nil // by another upload, meanwhile
	}
	if d.refused == nil {
		d.refused = &Error{Kind: Permanent, Op: "send rows to " + d.table.Name, Reason: "sink_refuses_all", Err: fmt.Errorf("the service refuses every row: %w", err),
			Hint: "check the rule, its stream and the table (sluice doctor); position and data stay"}
	}
	return d.refused
}

// refusedInRow is how many rows may be refused one after the other before a canary
// has to tell whether the table takes any still: a rule may change during a run. It is
// asked again after twice as many, and so on.
const refusedInRow = 3

// reject puts row i into quarantine.
func (d *delivery) reject(ctx context.Context, l load, i int, why error) error {
	d.mu.Lock()
	d.inRow++
	doubt := d.taken && d.inRow%refusedInRow == 0 && bits.OnesCount(uint(d.inRow/refusedInRow)) == 1
	d.mu.Unlock()
	if doubt {
		if err := d.vouch(ctx, l, why); err != nil {
			return err
		}
	}
	if l.rejected == nil {
		l.rejected = make([]bool, len(l.recs))
	}
	rec := l.of[i]
	l.rejected[rec] = true
	bad := Bad{Body: l.recs[rec].body, Reason: reasonOf(why), Detail: why.Error()}
	return d.e.putQuarantine(context.WithoutCancel(ctx), d.s, &bad, l.recs[rec].id, false)
}

// reapReady commits what has been acknowledged, without waiting.
func (r *run) reapReady(ctx context.Context) error {
	for len(r.flights) > 0 && r.flights[0].ended() {
		if err := r.reap(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reap waits for the oldest upload and commits the pages that it completes.
func (r *run) reap(ctx context.Context) error {
	f := r.flights[0]
	if err := r.await(ctx, f.done, f.signs); err != nil {
		return err
	}
	err := f.err
	if err == nil {
		r.flights = slices.Delete(r.flights, 0, 1)
		for i := range f.parts {
			r.free = append(r.free, f.parts[i].buf)
		}
		err = r.commit(ctx, f)
	}
	r.failed = err != nil
	return err
}

// drain ends the run: it waits for what is under way, and then sends and commits
// the rest of the complete pages. Nothing is sent after an upload has failed.
func (r *run) drain(ctx context.Context) error {
	err := r.reapAll(ctx)
	r.out.trim()
	if err == nil && len(r.out.marks) > 0 {
		if err = r.dispatch(ctx, r.out); err == nil {
			err = r.reapAll(ctx)
		}
	}
	return err
}

func (r *run) reapAll(ctx context.Context) error {
	for len(r.flights) > 0 {
		if err := r.reap(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the uploads that are still under way, so that none outlives
// the run. Nothing after the failed one is committed: order is the promise.
func (r *run) settle() {
	for _, f := range r.flights {
		<-f.done
	}
	r.flights = nil
}
