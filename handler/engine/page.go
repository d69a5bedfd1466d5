package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// mapPage turns the records of a page into rows.
func (r *run) mapPage(ctx context.Context, page *Page) error {
	r.stamp.Now = r.e.Clock.Now()
	r.page = reading{began: r.seen.now(), reached: r.work.Reached}
	r.span()
	r.names.page()
	defer r.s.Mapper.Forget()
	for i := range page.Bad {
		if err := r.bad(ctx, &page.Bad[i]); err != nil {
			return err
		}
	}
	d := newDamages(page)
	err := eachRecord(page.Records, func(at int) (int, error) { return r.record(ctx, d, at) })
	switch {
	case errors.Is(err, errNoList):
		return r.unfit("wrong_shape", err)
	case errors.Is(err, errNotClosed):
		return r.malformed(err)
	case err != nil:
		return err
	}
	return r.settleDamaged(ctx, d)
}

// hash is what a Bad is remembered by, and its name in quarantine. The way to ask
// again says when it was asked, and may be sealed anew each time.
func (b *Bad) hash() idHash {
	what := b.Body
	if len(what) == 0 {
		what = []byte(b.Again)
	}
	return hashID(append([]byte(b.Reason+"\x00"), what...))
}

// bad puts what could not be read or had into quarantine, once.
func (r *run) bad(ctx context.Context, b *Bad) error {
	hash := b.hash()
	if !r.isNew(hash, time.Time{}, false) {
		r.work.Counts.Repeated++
		return nil
	}
	r.work.Counts.Fetched++
	return r.quarantine(ctx, b, hash)
}

var (
	errNotClosed = errors.New("the list of records is not closed")
	errNoList    = errors.New("something else follows the list of records")
)

// eachRecord calls f with the place of each record of a page; f returns how long
// it is.
func eachRecord(src []byte, f func(at int) (int, error)) error {
	p := skipSpace(src, 0)
	lists, open := p < len(src) && src[p] == '[', false
	for {
		p = skipSeparators(src, p)
		switch {
		case p >= len(src) && open:
			return errNotClosed
		case p >= len(src):
			return nil
		case open && src[p] == ']', lists && !open && src[p] == '[':
			open = !open
			p++
			continue
		case lists && !open:
			return errNoList
		}
		n, err := f(p)
		if err != nil {
			return err
		}
		p += n
	}
}

func (r *run) malformed(err error) error { return r.unfit("malformed_page", err) }

func (r *run) unfit(reason string, err error) error {
	return &Error{Kind: Transient, Op: "read a page of " + r.s.Key(), Reason: reason,
		Hint: "the position stays; the page is asked for again in the next run", Err: err}
}

// record deals with the record at byte at of the page: its rows are in the batch
// afterwards, or it was filtered, known already, or quarantined.
func (r *run) record(ctx context.Context, d *damages, at int) (int, error) {
	src := d.page.Records[at:]
	n, err := r.s.Mapper.Map(src)
	if err != nil {
		return r.damaged(ctx, d, at, n, err)
	}
	if !d.read {
		d.read = true
		if err := r.settleDamaged(ctx, d); err != nil {
			return n, err
		}
	}
	return n, r.mapped(ctx, src[:n])
}

// mapped deals with a record that was just mapped.
func (r *run) mapped(ctx context.Context, rec []byte) error {
	m := r.s.Mapper
	id, hash := r.names.identify(rec)
	at, hasTime := m.EventTime()
	if hasTime {
		r.noteTime(at)
	}
	if !r.isNew(hash, at, hasTime) {
		r.work.Counts.Repeated++
		return nil
	}
	c := &r.work.Counts
	c.Fetched++
	if hasTime {
		r.noteLate(at)
	}
	if !m.IsObject() {
		return r.quarantine(ctx, notAnObject(rec), hash)
	}
	r.stamp.UID = id
	m.Rows(&r.out.Rows, &r.stamp)
	if !r.out.made() {
		c.Filtered++
		return nil
	}
	if m.Truncated() {
		c.Truncated++
		cut := Bad{Body: rec, Reason: "truncated", Detail: "a text is longer than the service stores; the row was sent with it cut"}
		if err := r.e.putQuarantine(ctx, r.s, &cut, hash, true); err != nil {
			return err
		}
	}
	return r.place(ctx, rec, hash)
}

func notAnObject(rec []byte) *Bad {
	return &Bad{Body: rec, Reason: "not_an_object", Detail: "the record is no JSON object"}
}

// span notes what the records of the next page are held against.
func (r *run) span() {
	f := r.s.Position.fading(&r.work, true, r.e.Clock.Now())
	r.until, r.floor = f.settle, f.windows
}

// forget drops the ids that no listing after these marks can bring again.
func (r *run) forget(marks []mark) {
	for i := range marks {
		m := &marks[i]
		if last := i == len(marks)-1; last || m.closes {
			f := r.s.Position.fading(&m.progress, m.closes, r.e.Clock.Now())
			r.c.remember(r.seen.forget(m.seen, m.page, f))
		}
	}
}

// isNew reports whether a record has not come before, and remembers it.
func (r *run) isNew(hash idHash, at time.Time, hasTime bool) (fresh bool) {
	w, p := &r.work, &r.s.Position
	if !w.Proof.IsZero() { // see Progress.Again
		if r.seen.since(hash, w.To) {
			w.Proof = time.Time{}
		} else if hasTime && at.After(w.Proof) {
			r.page.doubt = true
		}
	}
	ordered := p.Kind == Windows && p.Ascending && !w.Disorder || p.Kind == Cursor
	if hasTime && ordered && !at.Before(w.From) && at.Before(w.To) {
		fresh = r.seen.claim(hash, at, r.until, r.floor)
	} else {
		fresh = r.seen.add(hash, r.until, r.floor)
	}
	r.page.sum.add(hash, fresh)
	return fresh
}

// noteTime notes how far the listing has come. What claims to be outside the window
// says nothing about that; what is out of order says that no record's time does.
func (r *run) noteTime(at time.Time) {
	w, p := &r.work, &r.s.Position
	end := w.To
	if p.Kind == Cursor {
		end = r.until
	}
	switch {
	case !at.Before(end):
	case at.After(w.Reached):
		w.Reached = at
	case p.Ascending && !at.Before(w.From) && at.Before(w.Reached.Add(-p.Overlap-p.Granularity)):
		w.Disorder = true
	}
}

// noteLate counts a new record from the part of the window that had been listed
// before, by its age at most.
func (r *run) noteLate(at time.Time) {
	if p := &r.s.Position; p.Kind == Windows && !p.Indirect && at.Before(r.listed) && !at.Before(r.work.From) {
		if r.rep.Late == nil {
			r.rep.Late = map[string]int64{}
		}
		r.rep.Late[Lateness(r.e.Clock.Now().Sub(at))]++
	}
}

// place has the record's rows stay in the batch, or, when the batch is full with them,
// in a new one.
func (r *run) place(ctx context.Context, rec []byte, hash idHash) error {
	b := r.out
	if b.size() <= r.e.BatchBytes {
		b.keep(rec, hash)
		return nil
	}
	if size := b.longest(); size > r.e.BatchBytes {
		b.undo()
		return r.quarantine(ctx, tooLarge(rec, size, r.e.BatchBytes), hash)
	}
	if len(b.recs) > 0 {
		r.out = r.newBatch()
		b.moveTo(r.out)
		r.markPartial(b)
		if err := r.dispatch(ctx, b); err != nil {
			return err
		}
	}
	r.out.keep(rec, hash) // many rows of one record go in several uploads
	return nil
}

func tooLarge(rec []byte, size, most int) *Bad {
	return &Bad{Body: rec, Reason: "row_too_large", Detail: fmt.Sprintf("the row has %d bytes, one upload at most %d", size-len("[]"), most)}
}

func (r *run) quarantine(ctx context.Context, b *Bad, h idHash) error {
	r.work.Counts.Quarantined++
	return r.e.putQuarantine(ctx, r.s, b, h, false)
}

// mark notes that all of a page is in the batches so far.
func (r *run) mark(page *Page, closes bool) {
	now := r.seen.now()
	r.out.marks = append(r.out.marks, mark{progress: r.work, records: len(r.out.recs), seen: now, page: now, closes: closes, receipt: page.Receipt, places: page.Places})
}

// markPartial notes that b is full in the middle of a page: all records of the
// page before the present one, whose rows did not fit any more, are dealt with.
// Going on from here, the page is fetched again and they are known; so a crash
// repeats no more than the batches in flight. What the page has reached so far
// says nothing yet: its first records come again.
func (r *run) markPartial(b *batch) {
	w := r.work
	w.Reached = r.page.reached
	w.Counts.Fetched--
	if r.s.Mapper.Truncated() {
		w.Counts.Truncated--
	}
	b.marks = append(b.marks, mark{progress: w, records: len(b.recs), seen: r.seen.now() - 1, page: r.page.began, partial: true})
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
