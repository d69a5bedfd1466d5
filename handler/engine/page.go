package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// mapPage turns the records of a page into rows.
func (r *run) mapPage(ctx context.Context, page *Page) error {
	r.tail.now(r.e.Clock.Now())
	r.pageStart, r.reached, r.doubt = r.known(), r.work.Reached, false
	r.page = pageSum{}
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

// record deals with the record at byte at of the page: its row is in the batch
// afterwards, or it was filtered, known already, or quarantined.
func (r *run) record(ctx context.Context, d *damages, at int) (int, error) {
	src := d.page.Records[at:]
	m, b := r.s.Mapper, r.out
	start := b.begin()
	n, buf, err := m.Map(src, b.buf)
	b.buf = buf
	if err != nil {
		b.undo(start)
		return r.damaged(ctx, d, at, n, err)
	}
	if !d.read {
		d.read = true
		if err := r.settleDamaged(ctx, d); err != nil {
			return n, err
		}
	}
	return n, r.mapped(ctx, start, src[:n])
}

// mapped deals with a record whose row begins at start in the batch.
func (r *run) mapped(ctx context.Context, start int, rec []byte) error {
	m, b := r.s.Mapper, r.out
	id, hash := r.names.identify(rec)
	at, hasTime := m.EventTime()
	if hasTime {
		r.noteTime(at)
	}
	if !r.isNew(hash, at, hasTime) {
		r.work.Counts.Repeated++
		b.undo(start)
		return nil
	}
	c := &r.work.Counts
	c.Fetched++
	if hasTime {
		r.noteLate(at)
	}
	switch {
	case !m.IsObject():
		b.undo(start)
		return r.quarantine(ctx, &Bad{Body: rec, Reason: "not_an_object", Detail: "the record is no JSON object"}, hash)
	case !m.Kept():
		c.Filtered++
		b.undo(start)
		return nil
	}
	if m.Truncated() {
		c.Truncated++
		cut := Bad{Body: rec, Reason: "truncated", Detail: "a text is longer than the service stores; the row was sent with it cut"}
		if err := r.e.putQuarantine(ctx, r.s, &cut, hash, true); err != nil {
			return err
		}
	}
	b.buf = r.tail.seal(b.buf, start, id, m)
	return r.place(ctx, start, rec, hash)
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
			n := r.seen.forget(m.seen-r.forgotten, m.page-r.forgotten, f)
			r.forgotten = m.seen - n
			if last {
				r.c.Seen = seenIDs(r.seen.list[:n])
			}
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
			r.doubt = true
		}
	}
	ordered := p.Kind == Windows && p.Ascending && !w.Disorder || p.Kind == Cursor
	if hasTime && ordered && !at.Before(w.From) && at.Before(w.To) {
		fresh = r.seen.claim(hash, at, r.until, r.floor)
	} else {
		fresh = r.seen.add(hash, r.until, r.floor)
	}
	r.page.add(hash, fresh)
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

// place keeps the row that begins at start in the batch, or, when the batch is
// full with it, in a new one.
func (r *run) place(ctx context.Context, start int, rec []byte, hash idHash) error {
	b := r.out
	if size := len(b.buf) - start; size+2 > r.e.BatchBytes {
		b.undo(start)
		return r.quarantine(ctx, tooLarge(rec, size, r.e.BatchBytes), hash)
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

func tooLarge(rec []byte, size, most int) *Bad {
	return &Bad{Body: rec, Reason: "row_too_large", Detail: fmt.Sprintf("the row has %d bytes, one upload at most %d", size, most)}
}

func (r *run) quarantine(ctx context.Context, b *Bad, h idHash) error {
	r.work.Counts.Quarantined++
	return r.e.putQuarantine(ctx, r.s, b, h, false)
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
