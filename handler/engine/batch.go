package engine

import (
	"encoding/hex"
	"fmt"
)

// batch is what is delivered and acknowledged together: the rows of records, in the
// order of these, for each table of the stream.
//
// A record is in one batch with all of its rows. Marks say which records end where the
// listing can go on, so that what is committed never has a part of a record, or of a
// page that is not said to be partial.
type batch struct {
	Rows
	recs  []sent
	marks []mark
}

// sent is a record that has rows in a batch.
type sent struct {
	body []byte
	id   idHash
}

// mark says how far the listing is once the first records of a batch are acknowledged.
type mark struct {
	progress Progress
	records  int              // of this batch that belong to it, those of earlier marks included
	seen     arrival          // ids known then
	page     arrival          // ids known when the page to fetch next began: the later ones are needed to go on in its middle
	partial  bool             // the page is not complete
	closes   bool             // the window ends here
	receipt  string           // of the page, for an Acknowledger
	places   map[string]Place // of the page
}

// newBatch is an empty batch for the tables of s.
func newBatch(s *Stream) *batch { return &batch{Rows: *NewRows(len(s.Tables))} }

// newBatch is one whose buffers are those of batches that are done, as long as there
// are any.
func (r *run) newBatch() *batch {
	b := newBatch(r.s)
	for i := range b.parts {
		switch n := len(r.free); {
		case n > 0:
			b.parts[i].buf, r.free = r.free[n-1][:0], r.free[:n-1]
		case i == 0: // most streams have one table
			b.parts[i].buf = make([]byte, 0, r.e.BatchBytes+64<<10)
		}
	}
	return b
}

// made reports whether the record that is being dealt with has rows.
func (b *batch) made() bool {
	for i := range b.parts {
		if of := b.parts[i].of; len(of) > 0 && of[len(of)-1] == b.record {
			return true
		}
	}
	return false
}

// keep has the rows of the record stay.
func (b *batch) keep(body []byte, id idHash) {
	b.recs = append(b.recs, sent{body, id})
	b.record = len(b.recs)
}

// undo takes the rows of the record back.
func (b *batch) undo() { b.truncate(b.record) }

// truncate drops the rows of records from the n-th on.
func (b *batch) truncate(n int) {
	for i := range b.parts {
		p := &b.parts[i]
		p.cut(p.before(n))
	}
}

// moveTo takes the rows of the record from b to an empty batch.
func (b *batch) moveTo(next *batch) {
	for i := range b.parts {
		p := &b.parts[i]
		for k := p.before(b.record); k < len(p.ends); k++ {
			next.End(append(next.Begin(i), p.buf[p.start(k):p.ends[k]]...))
		}
	}
	b.undo()
}

// longest is the size of the longest row of the record, in an upload of its own.
func (b *batch) longest() (size int) {
	for i := range b.parts {
		p := &b.parts[i]
		for k := p.before(b.record); k < len(p.ends); k++ {
			size = max(size, p.size(k, k+1))
		}
	}
	return size
}

// size is that of the largest upload that the batch is.
func (b *batch) size() (size int) {
	for i := range b.parts {
		size = max(size, len(b.parts[i].buf)+len("]"))
	}
	return size
}

// trim drops the records of a page that is not complete.
func (b *batch) trim() {
	n := 0
	if len(b.marks) > 0 {
		n = b.marks[len(b.marks)-1].records
	}
	b.truncate(n)
	b.recs, b.record = b.recs[:n], n
}

func (h idHash) text() []byte { return hex.AppendEncode(nil, h[:]) }

func (h idHash) String() string { return fmt.Sprintf("%x", h[:]) }
