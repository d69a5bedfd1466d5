package kql

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// What is counted as odd besides the columns of the row; see Oddities.
const (
	oddHeld     = iota // the held column
	oddFilter          // the filters
	oddTimeless        // neither the held column nor Options.Time has a time
	oddRepeated        // an object has two members of one name
	oddInvalid         // a text is not UTF-8
	oddKinds
)

// hold computes the column that is not written.
func (m *Runner) hold() {
	o := m.p.hold
	if o == nil {
		return
	}
	m.odd = false
	m.held = o.value(m)
	switch {
	case m.held.OK:
		return
	case m.odd:
		m.odds[len(m.p.outputs)+oddHeld]++
	case m.p.time != nil && !m.when.OK && m.IsObject():
		m.odds[len(m.p.outputs)+oddTimeless]++
	}
	switch {
	case o.from >= 0 && m.r.Spans[o.from].Kind > scan.Null:
		m.noteUnfit(o)
	case m.p.time != nil && !m.when.OK: // the row says that its time is not the record's
		m.unfit = append(append(m.unfit, o.prefix...), "null"...)
	}
}

// maxUnfit is the longest value that is kept as it is although it does not fit.
const maxUnfit = 1024

// noteUnfit keeps a value that could not be converted to its column's type. An
// empty text is no value.
func (m *Runner) noteUnfit(o *output) {
	sp := &m.r.Spans[o.from]
	switch raw := m.src[sp.Start:sp.End]; {
	case len(raw) == 2 && raw[0] == '"':
	case o.max > 0 && len(raw) > maxUnfit:
		m.noteCut(o.prefix, raw)
	default:
		m.unfit = append(append(m.unfit, o.prefix...), raw...)
	}
}

// cut writes the first max bytes of a text, ended at a rune.
func (m *Runner) cut(o *output, dst, text []byte) []byte {
	n := o.max
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	m.noteCut(o.prefix, text)
	return scan.AppendQuoted(dst, text[:n])
}

// noteCut notes the length and digest of a text that the row has not whole.
func (m *Runner) noteCut(prefix, text []byte) {
	sum := sha256.Sum256(text)
	m.cuts = append(m.cuts, prefix...)
	m.cuts = append(m.cuts, `{"bytes":`...)
	m.cuts = strconv.AppendInt(m.cuts, int64(len(text)), 10)
	m.cuts = append(m.cuts, `,"sha256":"`...)
	m.cuts = hex.AppendEncode(m.cuts, sum[:])
	m.cuts = append(m.cuts, `"}`...)
}

// addUp puts together what the row cannot say in its columns, no longer than a
// text may be.
func (m *Runner) addUp() {
	if m.p.opt.Rest && !m.p.rest && m.r.HasRest() {
		m.extra = m.r.AppendRest(m.extra, 0)
		room := func() int {
			return max(m.p.opt.MaxText-len(m.unfit)-len(m.cuts)-len(`"_unfit":{},"_truncated":{},`), 1)
		}
		if m.p.opt.MaxText > 0 && len(m.extra) > room() {
			m.noteCut([]byte(`,"AdditionalFields":`), m.extra)
			m.extra = m.r.AppendRest(m.extra[:0], room())
		}
	}
	m.extra = appendNote(m.extra, "_unfit", m.unfit)
	m.extra = appendNote(m.extra, "_truncated", m.cuts)
}

// Additional is what the row cannot say in its columns, as the members of a
// JSON object: what no column reads of the record, at any depth (with
// Options.Rest), under "_unfit" the values that did not fit the types of their
// columns, and under "_truncated" the length and SHA-256 of each text that was
// cut. It is empty when there is nothing to say.
func (m *Runner) Additional() []byte { return m.extra }

// appendNote appends "name":{members}; members begin with a comma.
func appendNote(dst []byte, name string, members []byte) []byte {
	if len(members) == 0 {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), name...), `":{`...)
	return append(append(dst, members[1:]...), '}')
}

// Truncated reports whether a text of the record was cut.
func (m *Runner) Truncated() bool { return len(m.cuts) > 0 }

// Oddities counts, by column, the values that became null because something in a
// record did not fit: a text that is no number, a division by zero, a date out
// of range; a held column is counted too, and "where" stands for the filters.
// "TimeGenerated (no time)" counts the rows whose record has no time at all, and
// "(repeated member)" the records with two members of one name, "(invalid text)"
// those with text that is no UTF-8: U+FFFD stands there. It counts anew after each
// call.
func (m *Runner) Oddities() map[string]int64 {
	out := map[string]int64{}
	columns := len(m.p.outputs)
	for i, n := range m.odds {
		m.odds[i] = 0
		if n == 0 {
			continue
		}
		switch i - columns {
		case oddHeld:
			out[m.p.hold.column.Name] = n
		case oddFilter:
			out["where"] = n
		case oddTimeless:
			out[m.p.hold.column.Name+" (no time)"] = n
		case oddRepeated:
			out["(repeated member)"] = n
		case oddInvalid:
			out["(invalid text)"] = n
		default:
			out[m.p.outputs[i].column.Name] = n
		}
	}
	return out
}
