package kql

import (
	"bytes"
	"strconv"
	"time"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// Runner runs a Program over records, one after the other. Make one for each
// goroutine with Program.Runner. What its methods return is valid until the
// next call of Map.
type Runner struct {
	// Now is the clock of now() and ago().
	Now func() time.Time

	p      *Program
	r      *scan.Reader
	src    []byte
	regs   []Value
	regAt  []uint32
	epoch  uint32
	buf    []byte // text that expressions make of a record
	fixed  []byte // the record again, when it had to be repaired
	kept   bool
	id     Value
	when   Value // event time
	held   Value
	extra  []byte
	cuts   []byte // ,"column":{…} for each text that was cut
	unfit  []byte // ,"column":value for each value that fits no type
	tokens map[*scan.Tree]*scan.Reader
}

// newScratch makes a Runner for folding constants.
func newScratch() *Runner { return &Runner{Now: time.Now} }

// keep copies made text into the arena of this record. The arena only grows
// between records, so what points into it stays whole.
func (m *Runner) keep(s []byte) []byte {
	from := len(m.buf)
	m.buf = append(m.buf, s...)
	return m.buf[from:len(m.buf):len(m.buf)]
}

// dynamic is the record's value in a slot of the path tree.
func (m *Runner) dynamic(slot int) Value {
	sp := &m.r.Spans[slot]
	if sp.Kind <= scan.Null {
		return null
	}
	return Value{S: m.src[sp.Start:sp.End], OK: true}
}

// text is tostring() of the record's value in a slot.
func (m *Runner) text(slot int) Value {
	sp := &m.r.Spans[slot]
	switch {
	case sp.Kind <= scan.Null:
		return Value{}
	case sp.Kind == scan.String && sp.Flags&scan.Escaped == 0:
		return Value{S: m.src[sp.Start+1 : sp.End-1], OK: true, Safe: true}
	case sp.Kind == scan.String:
		from := len(m.buf)
		m.buf = scan.AppendUnquoted(m.buf, m.src[sp.Start+1:sp.End-1])
		return bytesValue(m.buf[from:len(m.buf):len(m.buf)])
	}
	return bytesValue(m.src[sp.Start:sp.End])
}

// lookup reads one step into a dynamic value that is no part of the record.
func (m *Runner) lookup(tree *scan.Tree, slot int, v Value) Value {
	if !v.OK || v.S[0] != '{' && v.S[0] != '[' {
		return null
	}
	if m.tokens == nil {
		m.tokens = map[*scan.Tree]*scan.Reader{}
	}
	r := m.tokens[tree]
	if r == nil {
		r = scan.NewReader(tree)
		m.tokens[tree] = r
	}
	if _, err := r.Read(v.S, 0); err != nil || r.Spans[slot].Kind <= scan.Null {
		return null
	}
	return Value{S: v.S[r.Spans[slot].Start:r.Spans[slot].End], OK: true}
}

// at is v[i] for a computed index or key.
func (m *Runner) at(v Value, t Type, i Value) Value {
	if !v.OK || !i.OK && t != String {
		return null
	}
	out := null
	if v.S[0] == '[' {
		n := i.N
		if t != Long && t != Int {
			n = parseLong(appendText(nil, t, i)).N
		}
		if n < 0 {
			eachElement(v.S, func([]byte) { n++ })
		}
		k := int64(0)
		eachElement(v.S, func(raw []byte) {
			if k == n {
				out = jsonValue(raw)
			}
			k++
		})
		return out
	}
	key := appendText(nil, t, i)
	eachMember(v.S, func(name, raw []byte) {
		if bytes.Equal(name, key) {
			out = jsonValue(raw)
		}
	})
	return out
}

// lower is tolower(); most text is ASCII and much of it lower case already.
func (m *Runner) lower(v Value) Value {
	for i, c := range v.S {
		if 'A' <= c && c <= 'Z' || c >= 0x80 {
			from := len(m.buf)
			if c < 0x80 && isASCII(v.S[i:]) {
				m.buf = append(m.buf, v.S...)
				for j := from + i; j < len(m.buf); j++ {
					if b := m.buf[j]; 'A' <= b && b <= 'Z' {
						m.buf[j] = b + 'a' - 'A'
					}
				}
			} else {
				m.buf = append(m.buf, bytes.ToLower(v.S)...)
			}
			v.S = m.buf[from:len(m.buf):len(m.buf)]
			return v
		}
	}
	return v
}

func isASCII(s []byte) bool {
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// convert implements the to…() functions. What does not fit becomes null.
func (m *Runner) convert(v Value, from, t Type) Value {
	if !v.OK && from != String {
		if t == String {
			return Value{}
		}
		return null
	}
	switch {
	case t == Dynamic:
		b := appendJSON(nil, from, v)
		return jsonValue(m.keep(b))
	case from == Dynamic:
		return m.fromDynamic(v, t)
	case t == String:
		start := len(m.buf)
		m.buf = appendText(m.buf, from, v)
		return bytesValue(m.buf[start:len(m.buf):len(m.buf)])
	case from == String || from == GUID:
		return parseAs(t, v.S)
	case isReal(from) && (t == Int || t == Long):
		n := realToLong(v.F)
		if t == Int {
			n = toInt(n)
		}
		return n
	case isReal(t) && (from == Int || from == Long || from == Bool):
		return realValue(float64(v.N))
	case t == Int:
		return toInt(v)
	case t == Bool:
		return boolValue(v.N != 0)
	case t == Datetime && (from == Long || from == Int), t == Timespan && (from == Long || from == Int), isReal(from) && isReal(t),
		t == Long && (from == Int || from == Bool || from == Datetime || from == Timespan):
		return v
	}
	return null
}

func (m *Runner) fromDynamic(v Value, t Type) Value {
	switch k := scan.KindOf(v.S[0]); {
	case k == scan.String:
		s := v.S[1 : len(v.S)-1]
		if bytes.IndexByte(s, '\\') >= 0 {
			from := len(m.buf)
			m.buf = scan.AppendUnquoted(m.buf, s)
			s = m.buf[from:len(m.buf):len(m.buf)]
		} else if t == String {
			return Value{S: s, OK: true, Safe: true}
		}
		return parseAs(t, s)
	case t == String:
		return bytesValue(v.S)
	case k == scan.True || k == scan.False:
		b := boolValue(k == scan.True)
		if t == Bool || t == Int || t == Long {
			return b
		}
		if isReal(t) {
			return realValue(float64(b.N))
		}
		return null
	case k == scan.Number:
		return fromNumber(v.S, t)
	}
	return null
}

func fromNumber(s []byte, t Type) Value {
	switch t {
	case Bool:
		v := parseLong(s)
		return Value{N: min(1, max(v.N, -v.N)), OK: v.OK}
	case Datetime, Timespan: // a number is a count of ticks
		return parseLong(s)
	case Real, Decimal:
		f, err := strconv.ParseFloat(string(s), 64)
		return Value{F: f, OK: err == nil}
	}
	return parseAs(t, s)
}

// eachMember calls f with every member of the JSON object raw.
func eachMember(raw []byte, f func(name, value []byte)) {
	walk(raw, '{', func(key, val []byte) { f(key, val) })
}

// eachElement calls f with every element of the JSON array raw.
func eachElement(raw []byte, f func(value []byte)) {
	walk(raw, '[', func(_, val []byte) { f(val) })
}

// walk goes over the members of a container that was validated before.
func walk(raw []byte, open byte, f func(key, val []byte)) {
	if len(raw) == 0 || raw[0] != open {
		return
	}
	p := scan.Space(raw, 1)
	for p < len(raw) && raw[p] != ']' && raw[p] != '}' {
		var key []byte
		if open == '{' {
			end, _, err := scan.Skip(raw, p)
			if err != nil {
				return
			}
			key = scan.AppendUnquoted(nil, raw[p+1:end-1])
			p = scan.Space(raw, scan.Space(raw, end)+1)
		}
		end, _, err := scan.Skip(raw, p)
		if err != nil {
			return
		}
		f(key, raw[p:end])
		p = scan.Space(raw, end)
		if p < len(raw) && raw[p] == ',' {
			p = scan.Space(raw, p+1)
		}
	}
}
