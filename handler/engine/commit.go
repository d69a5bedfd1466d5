package engine

import (
	"context"
	"time"
)

// commit moves the checkpoint over the marks of an acknowledged batch: first
// the ledger entries of the windows that it closes, then the checkpoint.
func (r *run) commit(ctx context.Context, f *flight) error {
	done, number := 0, r.c.Windows
	steps := make([]Progress, len(f.marks))
	for i := range f.marks {
		m, w := &f.marks[i], &steps[i]
		r.delivered.Add(f.delivered(done, m.records))
		done = m.records
		*w = m.progress
		w.Counts.Add(r.delivered)
		if m.closes {
			r.delivered = Counts{}
			number++
			if err := r.e.addLedger(ctx, r.s, number, r.c.Fence, w, nil); err != nil {
				return err
			}
		}
	}
	r.delivered.Add(f.delivered(done, len(f.recs)))
	if len(f.marks) == 0 {
		return nil
	}
	for i := range steps {
		r.advance(&steps[i], &f.marks[i])
	}
	r.forget(f.marks)
	if err := r.save(ctx); err != nil {
		return err
	}
	r.tell()
	return r.acknowledge(ctx, f.marks)
}

// acknowledge tells the source which pages will not be asked for again. That they are
// committed holds, whether it hears of it or not: what comes again is known.
func (r *run) acknowledge(ctx context.Context, marks []mark) error {
	source, ok := r.s.Source.(Acknowledger)
	if !ok {
		return nil
	}
	var receipts []string
	for i := range marks {
		if m := &marks[i]; m.receipt != "" && !m.partial {
			receipts = append(receipts, m.receipt)
		}
	}
	if len(receipts) == 0 {
		return nil
	}
	return source.Acknowledge(ctx, receipts)
}

// delivered counts what became of records [from, to) of a batch that is done: one of
// which a row was refused is in quarantine.
func (f *flight) delivered(from, to int) (n Counts) {
	for i := from; i < to; i++ {
		if f.rejected != nil && f.rejected[i] {
			n.Quarantined++
		} else {
			n.Acknowledged++
		}
	}
	return n
}

// advance sets the checkpoint to a mark.
func (r *run) advance(w *Progress, m *mark) {
	c := r.c
	before := Counts{}
	if c.Window != nil {
		before = c.Window.Counts
	}
	d := w.Counts.minus(before)
	r.rep.Counts.Add(d)
	c.Totals.Add(d)
	r.progressed = true
	if !m.partial {
		r.rep.Pages++
		c.place(m.places)
	}
	if w.Reached.After(c.LastEvent) {
		c.LastEvent = w.Reached
	}
	if !m.closes {
		c.Window = w
		return
	}
	c.Window = nil
	c.Position, c.Cursor = w.To, w.Cursor
	c.Doubted = later(c.Doubted, w.doubted())
	c.forgetPlaces()
	c.Windows++
	r.rep.Windows++
}

func (c Counts) minus(d Counts) Counts {
	return Counts{c.Fetched - d.Fetched, c.Repeated - d.Repeated, c.Acknowledged - d.Acknowledged,
		c.Filtered - d.Filtered, c.Quarantined - d.Quarantined, c.Truncated - d.Truncated}
}

// tell says how far the run is: to whoever asked for it, else in the log now and then.
func (r *run) tell() {
	now := r.e.Clock.Now()
	if r.e.Committed != nil {
		rep := r.rep
		rep.Position, rep.LastEvent, rep.Duration = r.c.Position, r.c.LastEvent, now.Sub(rep.Started)
		r.e.Committed(r.s, rep)
		return
	}
	if now.Sub(r.logged) < 10*time.Second {
		return
	}
	r.logged = now
	rate := float64(r.rep.Counts.Fetched) / max(now.Sub(r.rep.Started).Seconds(), 1)
	r.e.Log.Info("collecting", "stream", r.s.Key(), "records", r.rep.Counts.Fetched, "per_second", int(rate), "at", r.c.LastEvent)
}
