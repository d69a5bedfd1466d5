package kql

import (
	"bytes"
	"regexp"
	"time"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// Runner runs a Program over records, one after the other. Make one for each
// goroutine with Program.Runner. What its methods return is valid until the
// next call of Map.
type Runner struct {
	// Now is the clock of now() and ago().
	Now func() time.Time

	p        *Program
	r        *scan.Reader
	src      []byte
	row      []Value // of the table that the query reads in the place of records
	regs     []Value
	regAt    []uint32
	regOdd   []bool
	epoch    uint32
	stack    []Value // arguments of the functions that are being called
	buf      []byte  // text that expressions make of a record
	made     int     // how much that is
	fixed    []byte  // the record again, when it is not UTF-8
	distinct []byte  // the record again, when a member is there twice
	kept     bool
	id       Value
	when     Value // event time
	held     Value
	extra    []byte
	cuts     []byte // ,"column":{…} for each text that was cut
	unfit    []byte // ,"column":value for each value that fits no type
	odd      bool   // an expression met something that it made null of
	odds     []int64
	damaged  bool // the record is not UTF-8
	tokens   map[*scan.Tree]*scan.Reader
	patterns map[string]*regexp.Regexp
}

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

// maxMade bounds the text that expressions make of one record: what a record says
// must not decide how much memory there has to be. It is far above what a row holds.
const maxMade = 16 << 20

// room reports whether n more bytes may be made of the record; if not, something
// is odd. What is short has some room of its own, so that one column which takes
// it all leaves the others theirs.
func (m *Runner) room(n int) bool {
	most := maxMade
	if n <= 4096 {
		most += maxMade / 4
	}
	ok := m.made+n <= most
	m.odd = m.odd || !ok
	return ok
}

// make lets f append text to the arena of this record and returns what it
// appended, or null where there is no room for it. f must not evaluate anything:
// its text would get in between. It may append some times as much as it has been
// given, not more: functions that could look at how much that is first.
func (m *Runner) make(f func(dst []byte) []byte) Value {
	from := len(m.buf)
	m.buf = f(m.buf)
	n := len(m.buf) - from
	if !m.room(n) {
		m.buf = m.buf[:from]
		return null
	}
	m.made += n
	return bytesValue(m.buf[from:len(m.buf):len(m.buf)])
}

// makeJSON is make for JSON text.
func (m *Runner) makeJSON(f func(dst []byte) []byte) Value {
	v := m.make(f)
	return jsonValue(v.S)
}

// regexp compiles a pattern that is no constant; nil when it is no pattern.
func (m *Runner) regexp(pattern []byte) *regexp.Regexp {
	re, ok := m.patterns[string(pattern)]
	if !ok {
		if len(m.patterns) >= 100 || m.patterns == nil { // few patterns come again and again, or none does
			m.patterns = map[string]*regexp.Regexp{}
		}
		re, _ = regexp.Compile(string(pattern))
		m.patterns[string(pattern)] = re
	}
	return re
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
		return m.make(func(dst []byte) []byte { return scan.AppendUnquoted(dst, m.src[sp.Start+1:sp.End-1]) })
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
	key := i.S
	if t != String {
		key = appendText(nil, t, i)
	}
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
			if !m.room(len(v.S)) {
				return null
			}
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
			m.made += len(v.S)
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

// convert implements the to…() functions. What does not fit becomes null, and
// is noted as odd unless there was nothing to begin with.
func (m *Runner) convert(v Value, from, t Type) Value {
	if !v.OK && from != String {
		if t == String {
			return Value{}
		}
		return null
	}
	out := m.converted(v, from, t)
	if !out.OK && !(isText(from) && (len(v.S) == 0 || string(v.S) == `""`)) {
		m.odd = true
	}
	return out
}

func isText(t Type) bool { return t == String || t == Dynamic }

func (m *Runner) converted(v Value, from, t Type) Value {
	switch {
	case from == t:
		return v
	case t == Dynamic:
		if from == String {
			v.OK = true
		}
		return m.makeJSON(func(dst []byte) []byte { return appendDynamic(dst, from, v) })
	case from == Dynamic:
		return m.fromDynamic(v, t)
	case t == String:
		return m.make(func(dst []byte) []byte { return appendText(dst, from, v) })
	case from == String || from == GUID:
		return parseAs(t, v.S)
	case from == Decimal:
		return fromDecimal(v, t)
	case t == Decimal:
		return parseDecimal(appendText(nil, from, v))
	case from == Real && isWhole(t):
		n := realToLong(v.F)
		if t == Int {
			n = toInt(n)
		}
		return n
	case t == Real:
		return Value{F: float64(v.N), OK: from == Int || from == Long || from == Bool || from == Timespan}
	case t == Bool && from == Real:
		return boolValue(v.F != 0)
	case t == Bool && isWhole(from):
		return boolValue(v.N != 0)
	case t == Int && (from == Long || from == Bool):
		return toInt(v)
	case t == Datetime && isWhole(from):
		return inTime(v)
	case t == Long && from != Real, t == Timespan && isWhole(from):
		return v
	}
	return null
}

func fromDecimal(v Value, t Type) Value {
	switch t {
	case Real:
		return parseReal(v.S)
	case Long:
		return decimalToLong(v)
	case Int:
		return toInt(decimalToLong(v))
	case Bool:
		return boolValue(!v.decimal().IsZero())
	}
	return null
}

func (m *Runner) fromDynamic(v Value, t Type) Value {
	switch k := scan.KindOf(v.S[0]); {
	case k == scan.String:
		s := v.S[1 : len(v.S)-1]
		if bytes.IndexByte(s, '\\') >= 0 {
			s = m.make(func(dst []byte) []byte { return scan.AppendUnquoted(dst, s) }).S
		} else if t == String {
			return Value{S: s, OK: true, Safe: true}
		}
		return parseAs(t, s)
	case t == String:
		return bytesValue(v.S)
	case k == scan.True || k == scan.False:
		b := boolValue(k == scan.True)
		if t == Bool || isWhole(t) {
			return b
		}
		if t == Real {
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
		v := parseReal(s)
		return Value{N: boolValue(v.F != 0).N, OK: v.OK}
	case Datetime: // a number is a count of ticks
		return inTime(parseLong(s))
	case Timespan:
		return parseLong(s)
	}
	return parseAs(t, s)
}

// inTime keeps the ticks that are a datetime.
func inTime(v Value) Value {
	v.OK = v.OK && v.N >= 0 && v.N <= maxDatetime
	return v
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
			end, flags, err := scan.Skip(raw, p)
			if err != nil {
				return
			}
			if key = raw[p+1 : end-1]; flags != 0 {
				key = scan.AppendUnquoted(nil, key)
			}
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
