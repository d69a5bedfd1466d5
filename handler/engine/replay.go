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
	tail  tail
	names *names
	sends *delivery
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
	p := &replay{e: e, s: s, q: q, tail: newTail(s), names: newNames(s), sends: &delivery{e: e, s: s, deadline: now.Add(time.Minute)}, out: &batch{buf: []byte{'['}}}
	p.own = q.Again == "" && q.Reason != malformedRecord && q.Reason != skippedPage
	p.tail.now(now)
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
	m, start := p.s.Mapper, p.out.begin()
	n, buf, err := m.Map(page.Records[at:], p.out.buf)
	p.out.buf = buf
	if err != nil {
		p.out.undo(start)
		b := Bad{Body: page.extent(at, n), Reason: malformedRecord, Detail: err.Error()}
		if len(b.Body) == 0 || p.q.Reason == malformedRecord {
			return 0, fmt.Errorf("it cannot be read: %w", err)
		}
		return len(b.Body), p.keep(ctx, &b, b.hash())
	}
	rec := page.Records[at : at+n]
	id, hash := p.identify(rec)
	switch {
	case !m.IsObject():
		p.out.undo(start)
		return n, p.keep(ctx, &Bad{Body: rec, Reason: "not_an_object", Detail: "the record is no JSON object"}, hash)
	case !m.Kept():
		p.out.undo(start)
		return n, nil
	}
	p.out.buf = p.tail.seal(p.out.buf, start, id, m)
	if size := len(p.out.buf) - start; size+2 > p.e.BatchBytes {
		p.out.undo(start)
		return n, p.keep(ctx, tooLarge(rec, size, p.e.BatchBytes), hash)
	}
	if len(p.out.buf)+1 <= p.e.BatchBytes {
		p.out.end(rec, hash)
		return n, nil
	}
	next := &batch{buf: append([]byte{'['}, p.out.buf[start:]...)}
	p.out.undo(start)
	if err := p.flush(ctx); err != nil {
		return n, err
	}
	p.out = next
	p.out.end(rec, hash)
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
	if len(p.out.ends) == 0 {
		return nil
	}
	p.out.buf = append(p.out.buf, ']')
	if len(p.out.ends) == 1 && !p.sends.takes() {
		return p.e.Sink.Upload(ctx, Batch{Table: p.s.Table, Rows: p.out.buf, Count: 1})
	}
	return p.sends.send(ctx, &flight{batch: p.out}, 0, len(p.out.ends))
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
