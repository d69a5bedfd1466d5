package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// replay sends what a Quarantined stands for: a record, the records of a page, or
// what its source is asked for again.
type replay struct {
	e     *Engine
	s     *Stream
	q     *Quarantined
	own   bool // it is a record, under its name
	stamp Stamp
	names *names
	sends []*delivery
	out   *batch
}

// Replay maps what is kept with the stream as it is now and sends its rows. When
// all are delivered, filtered by now, or in quarantine for themselves, it leaves
// the quarantine; an error says why it stays.
func (e *Engine) Replay(ctx context.Context, s *Stream, q *Quarantined) error {
	if q.Reason == skippedAnswer {
		return errors.New("it is an answer that could not be read: look at it (sluice quarantine show), fetch its time again (sluice backfill), and purge it")
	}
	now := e.Clock.Now()
	p := &replay{e: e, s: s, q: q, stamp: stampOf(s), names: newNames(s), sends: newDeliveries(e, s, now.Add(time.Minute)), out: newBatch(s)}
	p.own = q.Again == "" && q.Reason != malformedRecord && q.Reason != skippedPage
	p.stamp.Now = now
	if k, ok := s.Source.(Knowing); ok { // all is to be had
		k.Know(func([]byte) bool { return false })
	}
	err := p.pages(ctx)
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return err
	}
	return e.Purge(ctx, q.ID)
}

// pages sends the records of the pages that are kept, or can be had again.
func (p *replay) pages(ctx context.Context) error {
	if p.q.Again == "" {
		rec := p.q.Original()
		if p.q.Reason == malformedRecord {
			rec = mended(rec)
		}
		return p.page(ctx, &Page{Records: rec})
	}
	source, ok := p.s.Source.(Refetcher)
	if !ok {
		return errors.New("its stream does not say any more how to ask for it")
	}
	for token := ""; ; {
		page, err := source.Refetch(ctx, p.q.Again, token)
		if err != nil {
			return err
		}
		if err := p.page(ctx, page); err != nil {
			return err
		}
		switch page.Next {
		case "":
			return nil
		case token:
			return pagingLoop(p.s)
		}
		token = page.Next
	}
}

func (p *replay) page(ctx context.Context, page *Page) error {
	for i := range page.Bad {
		b := &page.Bad[i]
		if b.Again != "" && b.Again == p.q.Again {
			return fmt.Errorf("it cannot be had: %s", b.Detail)
		}
		if err := p.keep(ctx, b, b.hash()); err != nil {
			return err
		}
	}
	p.names.page()
	return eachRecord(page.Records, func(at int) (int, error) { return p.record(ctx, page, at) })
}

// identify is the name of a record that was just mapped.
func (p *replay) identify(rec []byte) ([]byte, idHash) {
	id, hash := p.names.identify(rec)
	if p.own {
		id = p.names.replayed(rec, path.Base(p.q.ID))
	}
	return id, hash
}

func (p *replay) record(ctx context.Context, page *Page, at int) (int, error) {
	m := p.s.Mapper
	n, err := m.Map(page.Records[at:])
	if err != nil {
		b := Bad{Body: page.extent(at, n), Reason: malformedRecord, Detail: err.Error()}
		if len(b.Body) == 0 || p.q.Reason == malformedRecord {
			return 0, fmt.Errorf("it cannot be read: %w", err)
		}
		return len(b.Body), p.keep(ctx, &b, b.hash())
	}
	rec := page.Records[at : at+n]
	id, hash := p.identify(rec)
	if !m.IsObject() {
		return n, p.keep(ctx, notAnObject(rec), hash)
	}
	p.stamp.UID = id
	m.Rows(&p.out.Rows, &p.stamp)
	if !p.out.made() {
		return n, nil
	}
	if size := p.out.longest(); size > p.e.BatchBytes {
		p.out.undo()
		return n, p.keep(ctx, tooLarge(rec, size, p.e.BatchBytes), hash)
	}
	if p.out.size() > p.e.BatchBytes && len(p.out.recs) > 0 {
		next := newBatch(p.s)
		p.out.moveTo(next)
		if err := p.flush(ctx); err != nil {
			return n, err
		}
		p.out = next
	}
	p.out.keep(rec, hash)
	return n, nil
}

// keep puts what is no row into quarantine, unless it is what is there.
func (p *replay) keep(ctx context.Context, b *Bad, h idHash) error {
	if p.own {
		return errors.New(b.Detail)
	}
	return p.e.putQuarantine(ctx, p.s, b, h, false)
}

// flush sends the rows so far. A lone one that is refused stays as it is.
func (p *replay) flush(ctx context.Context) error {
	f := &flight{batch: p.out}
	for i := range f.parts {
		l, d := load{f, &f.parts[i]}, p.sends[i]
		switch n := len(l.ends); {
		case n == 0:
		case n == 1 && !d.takes():
			if err := p.e.Sink.Upload(ctx, l.upload(d.table, 0, 1)); err != nil {
				return err
			}
		default:
			if err := d.send(ctx, l, 0, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// mended is a record with the control characters in its texts escaped, and the
// backslashes that escape nothing.
func mended(rec []byte) []byte {
	out := make([]byte, 0, len(rec)+16)
	inText := false
	for i := 0; i < len(rec); i++ {
		c := rec[i]
		switch {
		case c == '"':
			inText = !inText
		case !inText:
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
			continue
		case c == '\\' && isEscape(rec[i+1:]):
			out = append(out, c)
			i++
			c = rec[i]
		case c == '\\':
			out = append(out, c)
		}
		out = append(out, c)
	}
	return out
}

// isEscape reports whether what follows a backslash makes an escape of JSON's.
func isEscape(rest []byte) bool {
	switch {
	case len(rest) == 0:
		return false
	case rest[0] != 'u':
		return strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0
	}
	for i := 1; i < 5; i++ {
		if i >= len(rest) || strings.IndexByte("0123456789abcdefABCDEF", rest[i]) < 0 {
			return false
		}
	}
	return true
}
