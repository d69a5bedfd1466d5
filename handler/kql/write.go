package kql

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// output is one column of the rows and how it is written.
type output struct {
	column Column
	prefix []byte // ,"Name":
	max    int    // longest text; 0: any
	// Exactly one of the next two: slot for text that is copied from the
	// record, value for what is computed.
	slot  int
	value func(*Runner) Value
	// from is the slot of the record's value that value converts, or -1.
	from int
	code code   // for explanations
	text string // the expression
}

func (c *compiler) output(b bound, max int) output {
	o := output{
		column: Column{Name: b.name, Type: b.code.typ},
		prefix: append(scan.AppendQuoted([]byte{','}, b.name), ':'),
		max:    max, slot: -1, from: -1, code: b.code, text: b.text,
	}
	if b.code.from != nil {
		o.from = *b.code.from
	}
	if b.code.text != nil {
		o.slot = *b.code.text
	} else {
		o.value = c.run(b.code).eval
	}
	return o
}

// Runner returns a new Runner for p.
func (p *Program) Runner() *Runner {
	r := scan.NewReader(p.tree)
	r.CollectRest = p.rest || p.opt.Rest
	return &Runner{Now: time.Now, p: p, r: r, regs: make([]Value, p.regs), regAt: make([]uint32, p.regs), regOdd: make([]bool, p.regs), odds: make([]int64, len(p.outputs)+oddKinds)}
}

// Map reads the record at or after src[0] and appends its row to dst: a JSON
// object without its closing brace, so that the caller can add columns of its
// own. Null values and empty texts are left out; both read as absent. n is the
// number of bytes read. An error means that src is no JSON text, and n is where it
// ends all the same, or 0; anything odd inside a record only makes a column null.
func (m *Runner) Map(src, dst []byte) (n int, row []byte, err error) {
	if n, err = m.Read(src); err != nil || !m.kept {
		return n, dst, err
	}
	return n, m.AppendRow(dst), nil
}

// Read is Map without the row: what the record is, and whether the filters keep it.
func (m *Runner) Read(src []byte) (n int, err error) {
	if m.p.Multiplies() {
		return 0, errors.New("kql: the query makes several rows of a record: use Each")
	}
	if n, err = m.read(src); err != nil {
		n, _ = scan.SkipDamaged(src, 0)
		return n, err
	}
	p := m.p
	if p.table != nil {
		m.row = p.table.rows[0]
	}
	m.kept = m.passes(&p.segments[0])
	m.id, m.when, m.held = Value{}, null, null
	if p.id != nil {
		m.identify()
	}
	if p.time != nil {
		m.when = p.time(m)
	}
	return n, nil
}

// AppendRow appends the row of the record that was read and kept to dst, as Map does.
func (m *Runner) AppendRow(dst []byte) []byte {
	m.hold()
	dst = m.writeRow(dst)
	m.addUp()
	return dst
}

// identify works out the record's id. One in which a character is lost, here or at
// the provider, is none, and the row says what there was in its place.
func (m *Runner) identify() {
	m.id = m.p.id(m)
	if !bytes.Contains(m.id.S, replacement) && (!m.damaged || bytes.Contains(m.src, m.id.S)) {
		return
	}
	m.id = Value{}
	if m.p.idSlot != nil {
		sp := &m.r.Spans[*m.p.idSlot]
		m.unfit = append(append(m.unfit, `,"EventUid":`...), m.src[sp.Start:sp.End]...)
	}
}

// passes reports whether the row passes the filters of a segment. A filter that
// is null because of something odd is counted.
func (m *Runner) passes(seg *segment) bool {
	for _, f := range seg.filters {
		m.odd = false
		v := f(m)
		if m.odd && !v.OK {
			m.odds[len(m.p.outputs)+oddFilter]++
		}
		if !v.OK || v.N == 0 {
			return false
		}
	}
	return true
}

func (m *Runner) writeRow(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, '{')
	for i := range m.p.outputs {
		dst = m.write(i, dst, start)
	}
	if m.p.rest && m.r.HasRest() {
		dst = m.r.AppendRest(separate(dst, start), 0)
	}
	return dst
}

// read scans the record.
func (m *Runner) read(src []byte) (int, error) {
	m.src, m.damaged = src, false
	m.epoch++
	m.reset()
	n, err := m.r.Read(src, 0)
	if err == nil && m.r.Flags != 0 {
		err = m.repair(src[:n])
	}
	return n, err
}

// maxKept is the arena that is kept for the next record.
const maxKept = 1 << 20

// reset forgets what was made of the record before.
func (m *Runner) reset() {
	m.buf, m.made, m.cuts, m.unfit, m.extra = m.buf[:0], 0, m.cuts[:0], m.unfit[:0], m.extra[:0]
	if cap(m.buf) > maxKept {
		m.buf = nil
	}
}

// Forget lets go of the record.
func (m *Runner) Forget() {
	m.src, m.row, m.id, m.when, m.held = nil, nil, Value{}, Value{}, Value{}
	clear(m.regs)
	clear(m.stack[:cap(m.stack)])
	m.r.Forget()
	for _, r := range m.tokens {
		r.Forget()
	}
	m.reset()
}

// repair reads a record again that is not UTF-8, or has two members of one name:
// the last counts, the others are read under names of their own.
func (m *Runner) repair(rec []byte) (err error) {
	m.src = rec
	if m.damaged = m.r.Flags&scan.BadUTF8 != 0; m.damaged {
		m.odds[len(m.p.outputs)+oddInvalid]++
		m.fixed = scan.AppendValidUTF8(m.fixed[:0], rec)
		m.src = m.fixed
		_, err = m.r.Read(m.src, 0)
	}
	if err == nil && m.r.Flags&scan.Repeated != 0 {
		m.odds[len(m.p.outputs)+oddRepeated]++
		m.distinct = scan.AppendDistinct(m.distinct[:0], m.src)
		m.src = m.distinct
		_, err = m.r.Read(m.src, 0)
	}
	return err
}

// IsObject reports whether the record is a JSON object: only these have columns.
func (m *Runner) IsObject() bool {
	p := scan.Space(m.src, 0)
	return p < len(m.src) && m.src[p] == '{'
}

func separate(dst []byte, start int) []byte {
	if len(dst) > start+1 {
		return append(dst, ',')
	}
	return dst
}

// name begins the column: a comma, unless it is the row's first, and its name.
func (o *output) name(dst []byte, start int) []byte {
	if len(dst) > start+1 {
		return append(dst, o.prefix...)
	}
	return append(dst, o.prefix[1:]...)
}

func (m *Runner) write(i int, dst []byte, start int) []byte {
	o := &m.p.outputs[i]
	if o.slot >= 0 {
		return m.writeToken(o, dst, start)
	}
	t := o.column.Type
	if t == Real && o.from >= 0 {
		if raw := m.plainNumber(o.from); raw != nil {
			return append(o.name(dst, start), raw...)
		}
	}
	m.odd = false
	v := o.value(m)
	if !v.OK || t == String && len(v.S) == 0 {
		if m.odd {
			m.odds[i]++
		}
		if o.from >= 0 && m.r.Spans[o.from].Kind > scan.Null {
			m.noteUnfit(o)
		}
		return dst
	}
	if (t == Long || t == Int) && o.from >= 0 && m.hasFraction(o.from) {
		m.noteUnfit(o)
	}
	dst = o.name(dst, start)
	if o.max > 0 && len(v.S) > o.max {
		return m.cut(o, dst, v.S)
	}
	return appendJSON(dst, t, v)
}

// writeToken copies text from the record into a string column.
func (m *Runner) writeToken(o *output, dst []byte, start int) []byte {
	sp := &m.r.Spans[o.slot]
	raw := m.src[sp.Start:sp.End]
	switch {
	case sp.Kind <= scan.Null || len(raw) == 2 && sp.Kind == scan.String:
		return dst
	case o.max > 0 && len(raw) > o.max:
		text := raw
		if sp.Kind == scan.String {
			text = sp.Text(m.src)
		}
		if len(text) > o.max {
			return m.cut(o, o.name(dst, start), text)
		}
	}
	dst = o.name(dst, start)
	switch sp.Kind {
	case scan.String:
		return append(dst, raw...)
	case scan.Object, scan.Array:
		return scan.AppendQuoted(dst, raw)
	}
	return append(append(append(dst, '"'), raw...), '"')
}

// plainNumber returns a number of the record that a real column can take as it
// stands: one without an exponent, which could be too large for a real.
func (m *Runner) plainNumber(slot int) []byte {
	sp := &m.r.Spans[slot]
	raw := m.src[sp.Start:sp.End]
	if sp.Kind != scan.Number || len(raw) > 18 || bytes.ContainsAny(raw, "eE") {
		return nil
	}
	return raw
}

// hasFraction reports whether a value of the record is a number of which an integer is
// only a part.
func (m *Runner) hasFraction(slot int) bool {
	sp := &m.r.Spans[slot]
	if sp.Kind != scan.Number {
		return false
	}
	raw := m.src[sp.Start:sp.End]
	if bytes.ContainsAny(raw, "eE") {
		v, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && v != math.Trunc(v)
	}
	_, fraction, _ := bytes.Cut(raw, []byte{'.'})
	return len(bytes.TrimLeft(fraction, "0")) > 0
}

// Kept reports whether the record passed the filters. If not, no row was written.
func (m *Runner) Kept() bool { return m.kept }

// replacement is what becomes of a character that is none.
var replacement = []byte("\ufffd")

// ID is the record's identity as Options.ID gives it; empty when it has none, and when
// a character of it was lost, here or before, or may have been in what it was made of:
// others may look like it then.
func (m *Runner) ID() []byte { return m.id.S }

// EventTime is when the record happened, as Options.Time gives it.
func (m *Runner) EventTime() (t time.Time, ok bool) {
	if !m.when.OK {
		return time.Time{}, false
	}
	return toTime(m.when.N), true
}

// Held is the value of the column Options.Hold, as a time.
func (m *Runner) Held() (t time.Time, ok bool) {
	if !m.held.OK || m.p.hold.column.Type != Datetime {
		return time.Time{}, false
	}
	return toTime(m.held.N), true
}
