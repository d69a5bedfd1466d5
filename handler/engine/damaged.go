package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const malformedRecord = "malformed_record"

// maxDamaged is how many records of a page may be unreadable before the first
// that is not.
const maxDamaged = 1000

// damages are the records of a page that cannot be read. Those before the first
// that can be read wait for it: a page of nothing else may be no page of records.
type damages struct {
	page    *Page
	list    bool // in an array: records are all that can stand there
	read    bool // a record could be read
	waiting []Bad

	line, at int // how many lines end before byte at of the page
}

func newDamages(page *Page) *damages {
	p := skipSpace(page.Records, 0)
	return &damages{page: page, list: p < len(page.Records) && page.Records[p] == '['}
}

// extent is the record at p.Records[at:] that a Mapper could not read: it has n
// bytes, or those of its line where each has one. None where its end is not known.
func (p *Page) extent(at, n int) []byte {
	rest := p.Records[at:]
	if !p.Lines {
		return rest[:n]
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	return line
}

// damaged deals with the record at byte at of the page that Map could not read:
// it goes to quarantine, and what is after it goes on. Where its end cannot be
// told it is the page that is malformed.
func (r *run) damaged(ctx context.Context, d *damages, at, n int, why error) (int, error) {
	rec := d.page.extent(at, n)
	if len(rec) == 0 || len(d.waiting) >= maxDamaged {
		return 0, r.malformed(why)
	}
	d.line += bytes.Count(d.page.Records[d.at:at], []byte{'\n'})
	d.at = at
	d.waiting = append(d.waiting, Bad{Body: rec, Reason: malformedRecord,
		Detail: fmt.Sprintf("%v; the record begins in line %d of the page, at its byte %d", why, d.line+1, at)})
	if !d.read {
		return len(rec), nil
	}
	return len(rec), r.settleDamaged(ctx, d)
}

// settleDamaged puts the records that wait into quarantine. Of a page without a
// record that can be read, at least one has to look like one.
func (r *run) settleDamaged(ctx context.Context, d *damages) error {
	alike := d.read || d.list || len(d.waiting) == 0
	if !d.read && d.page.Lines && len(d.waiting) > 0 && !bytes.HasSuffix(bytes.TrimRight(d.page.Records, " \r"), []byte{'\n'}) {
		return r.malformed(errors.New("no line of it can be read, and the last one has no end: " + d.waiting[0].Detail))
	}
	for i := range d.waiting {
		alike = alike || d.waiting[i].Body[0] == '{'
	}
	if !alike {
		return r.malformed(errors.New("nothing in it is JSON: " + d.waiting[0].Detail))
	}
	for i := range d.waiting {
		if err := r.bad(ctx, &d.waiting[i]); err != nil {
			return err
		}
	}
	d.waiting = d.waiting[:0]
	return nil
}

// whole is an error for a page whose last line has no end and is no JSON: its
// transfer may have been cut. When the same comes again the line is just bad.
func (r *run) whole(page *Page) error {
	if !page.Lines || page.Commit || r.s.Position.Moving { // it cannot be had again
		return nil
	}
	line := bytes.TrimSpace(page.Records[bytes.LastIndexByte(page.Records, '\n')+1:])
	if len(line) == 0 || json.Valid(line) {
		return nil
	}
	h := hashID(line)
	if h == r.cutLine {
		return nil
	}
	r.cutLine = h
	return r.malformed(errors.New("its last line has no end and is no JSON: it may have been cut on its way"))
}
