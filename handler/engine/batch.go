package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// batch is an upload being filled: a JSON array of rows.
type batch struct {
	buf   []byte   // "[" row "," row …, without the "]"
	ends  []int    // where each row ends in buf
	recs  [][]byte // the record that each row came from
	ids   []idHash
	marks []mark
}

// mark says how far the listing is once the first rows of a batch are acknowledged.
type mark struct {
	progress Progress
	rows     int  // rows of this batch that belong to it
	seen     int  // ids known then, counting the forgotten ones
	page     int  // ids known when the page to fetch next began: the later ones are needed to go on in its middle
	partial  bool // the page is not complete
	closes   bool // the window ends here
}

func (r *run) newBatch() *batch {
	b := &batch{}
	if n := len(r.free); n > 0 {
		b.buf, r.free = r.free[n-1][:0], r.free[:n-1]
	} else {
		b.buf = make([]byte, 0, r.e.BatchBytes+64<<10)
	}
	b.buf = append(b.buf, '[')
	return b
}

// begin makes room for a row and returns where it starts.
func (b *batch) begin() int {
	if len(b.ends) > 0 {
		b.buf = append(b.buf, ',')
	}
	return len(b.buf)
}

// undo takes back what was written since begin returned start.
func (b *batch) undo(start int) {
	if len(b.ends) > 0 {
		start--
	}
	b.buf = b.buf[:start]
}

func (b *batch) end(rec []byte, h idHash) {
	b.ends = append(b.ends, len(b.buf))
	b.recs = append(b.recs, rec)
	b.ids = append(b.ids, h)
}

// split moves the row that starts at start into a new batch.
func (r *run) split(b *batch, start int) *batch {
	next := r.newBatch()
	next.buf = append(next.buf, b.buf[start:]...)
	b.undo(start)
	return next
}

// rows returns the text of rows [i, j), with the commas between them.
func (b *batch) rows(i, j int) []byte {
	start := 1
	if i > 0 {
		start = b.ends[i-1] + 1
	}
	return b.buf[start:b.ends[j-1]]
}

// trim drops the rows of a page that is not complete.
func (b *batch) trim() {
	n := 0
	if len(b.marks) > 0 {
		n = b.marks[len(b.marks)-1].rows
	}
	if n == len(b.ends) {
		return
	}
	end := 1
	if n > 0 {
		end = b.ends[n-1]
	}
	b.buf, b.ends, b.recs, b.ids = b.buf[:end], b.ends[:n], b.recs[:n], b.ids[:n]
}

// commit moves the checkpoint over the marks of an acknowledged batch: first
// the ledger entries of the windows that it closes, then the checkpoint.
func (r *run) commit(ctx context.Context, f *flight) error {
	row, number := 0, r.c.Windows
	steps := make([]Progress, len(f.marks))
	for i := range f.marks {
		m, w := &f.marks[i], &steps[i]
		r.delivered.Add(f.delivered(row, m.rows))
		row = m.rows
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
	r.delivered.Add(f.delivered(row, len(f.ends)))
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
	return nil
}

// delivered counts what became of rows [from, to) of a batch that is done.
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

// tail writes the columns that every row gets from the engine.
type tail struct {
	connection []byte // ,"Connection":"…", and what marks a backfill
	stamp      []byte // the time of delivery, quoted
	oldest     time.Time
	newest     time.Time
}

func newTail(s *Stream) tail {
	name, _ := json.Marshal(s.Connection)
	t := tail{connection: append([]byte(`,"Connection":`), name...)}
	if s.Lane != "" {
		t.connection = append(t.connection, `,"IsBackfill":true`...)
	}
	return t
}

// The service replaces a TimeGenerated older than two days or more than a day
// ahead by the time of receipt (learn.microsoft.com, "Standard columns"). An
// hour is left for the way there.
func (t *tail) now(now time.Time) {
	t.stamp = appendTime(t.stamp[:0], now)
	t.oldest, t.newest = now.Add(-47*time.Hour), now.Add(23*time.Hour)
}

// seal completes the row that begins at start.
func (t *tail) seal(row []byte, start int, id []byte, m Mapper) []byte {
	if len(row) > start+1 {
		row = append(row, ',')
	}
	row = append(row, `"EventUid":`...)
	row = appendString(row, id)
	row = append(row, t.connection...)
	at, ok := m.Held()
	if !ok {
		at, ok = m.EventTime()
	}
	if ok && (at.Before(t.oldest) || at.After(t.newest)) {
		row = appendTime(append(row, `,"EventTime":`...), at)
		ok = false
	}
	row = append(row, `,"TimeGenerated":`...)
	if ok {
		row = appendTime(row, at)
	} else {
		row = append(row, t.stamp...)
	}
	if extra := m.Additional(); len(extra) > 0 {
		row = append(append(append(row, `,"AdditionalFields":{`...), extra...), '}')
	}
	return append(row, '}')
}

// appendTime writes t as ISO 8601 in UTC with the digits that it needs, seven
// at most, which is what the service keeps. It is time.AppendFormat, faster.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	if y < 0 || y > 9999 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"', byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10))
	for _, part := range [...]struct {
		sep byte
		n   int
	}{{'-', int(mo)}, {'-', d}, {'T', h}, {':', mi}, {':', s}} {
		dst = append(dst, part.sep, byte('0'+part.n/10), byte('0'+part.n%10))
	}
	if ticks := t.Nanosecond() / 100; ticks > 0 {
		dst = append(dst, '.')
		for unit := 1_000_000; ticks > 0; unit /= 10 {
			dst = append(dst, byte('0'+ticks/unit))
			ticks %= unit
		}
	}
	return append(dst, 'Z', '"')
}

// appendString writes text as a JSON string; ids are plain almost always.
func appendString(dst, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(string(bytes.ToValidUTF8(text, []byte("\ufffd"))))
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

func (h idHash) text() []byte { return hex.AppendEncode(nil, h[:]) }

func (h idHash) String() string { return fmt.Sprintf("%x", h[:]) }
