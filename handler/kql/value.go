package kql

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// Type is a type of the language.
type Type uint8

// The scalar types.
const (
	Dynamic Type = iota
	Bool
	Int
	Long
	Real
	Decimal
	String
	Datetime
	Timespan
	GUID
)

var typeText = [...]string{"dynamic", "bool", "int", "long", "real", "decimal", "string", "datetime", "timespan", "guid"}

func (t Type) String() string { return typeText[t] }

var typeNames = map[string]Type{
	"dynamic": Dynamic, "bool": Bool, "boolean": Bool, "int": Int, "long": Long, "real": Real, "double": Real,
	"decimal": Decimal, "string": String, "datetime": Datetime, "date": Datetime, "timespan": Timespan, "time": Timespan,
	"guid": GUID, "uuid": GUID, "uniqueid": GUID,
}

// ParseType returns the type called s, in the spelling of KQL or of Azure's
// tables and DCR streams (dateTime, boolean).
func ParseType(s string) (Type, bool) {
	t, ok := typeNames[strings.ToLower(s)]
	return t, ok
}

// Value is one value while an expression runs. Which fields count is decided
// by the static type of the expression.
//
//	bool, int, long  N
//	datetime         N, ticks of 100 ns since the year 1
//	timespan         N, ticks of 100 ns
//	real             F
//	decimal          S, the number in plain notation
//	string, guid     S, the text; there is no null string
//	dynamic          S, JSON text
type Value struct {
	N    int64
	F    float64
	S    []byte
	OK   bool // false: null
	Safe bool // S may stand between the quotes of a JSON string as it is
}

var null Value

func boolValue(b bool) Value {
	if b {
		return Value{N: 1, OK: true}
	}
	return Value{OK: true}
}
func longValue(n int64) Value    { return Value{N: n, OK: true} }
func realValue(f float64) Value  { return Value{F: f, OK: true} }
func textValue(s string) Value   { return Value{S: []byte(s), OK: true} }
func bytesValue(s []byte) Value  { return Value{S: s, OK: true} }
func jsonValue(raw []byte) Value { return Value{S: raw, OK: len(raw) > 0 && raw[0] != 'n'} }

// parseNumber reads a number as written in a query: 1, 1.5, 0x1f, 1.5h.
func parseNumber(text string, t token) (lit, error) {
	s := t.text
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		n, err := strconv.ParseInt(s[2:], 16, 64)
		if err != nil {
			return lit{}, errorAt(text, t.pos, "%s is not a number", s)
		}
		return lit{Long, longValue(n)}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return lit{Long, longValue(n)}, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil || math.IsInf(f, 0) {
		return lit{Real, realValue(f)}, nil
	}
	if ticks, ok := parseUnit(s); ok {
		return lit{Timespan, longValue(ticks)}, nil
	}
	return lit{}, errorAt(text, t.pos, "%s is not a number", s)
}

// lit is a constant and its type.
type lit struct {
	typ Type
	val Value
}

// parseTyped reads what stands between the parentheses of a typed literal.
func parseTyped(t Type, s string) (lit, bool) {
	if s == "null" || s == "" && t != String {
		return lit{t, null}, true
	}
	if unq, err := lexString(s+" ", 0); s != "" && (s[0] == '"' || s[0] == '\'') && err == nil && unq.end == len(s) {
		s = unq.text
	}
	v := parseAs(t, []byte(s))
	return lit{t, v}, v.OK
}

// parseAs converts text to type t; what does not fit is null.
func parseAs(t Type, s []byte) Value {
	switch t {
	case String:
		return bytesValue(s)
	case Bool:
		switch strings.ToLower(string(s)) {
		case "true", "1":
			return boolValue(true)
		case "false", "0":
			return boolValue(false)
		}
		return null
	case Int:
		return toInt(parseLong(s))
	case Long:
		return parseLong(s)
	case Real:
		return parseReal(s)
	case Decimal:
		return parseDecimal(s)
	case Datetime:
		n, ok := parseDatetime(s)
		return Value{N: n, OK: ok}
	case Timespan:
		n, ok := parseTimespan(string(s))
		return Value{N: n, OK: ok}
	case GUID:
		return parseGUID(s)
	}
	return null
}

func parseLong(s []byte) Value {
	if n, ok := parseDigits(s); ok {
		return longValue(n)
	}
	text := strings.TrimSpace(string(s))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return longValue(n)
	}
	if strings.HasPrefix(text, "0x") {
		n, err := strconv.ParseInt(text[2:], 16, 64)
		return Value{N: n, OK: err == nil}
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return null
	case math.Abs(f) < 1<<53:
		return longValue(int64(f))
	case math.Abs(f) > 1<<63:
		return null
	}
	r, ok := new(big.Rat).SetString(text) // a real is not exact here
	if !ok {
		return null
	}
	n := new(big.Int).Quo(r.Num(), r.Denom())
	return Value{N: n.Int64(), OK: n.IsInt64()}
}

// parseDigits is the common case of parseLong: up to 18 plain digits.
func parseDigits(s []byte) (n int64, ok bool) {
	neg := len(s) > 0 && s[0] == '-'
	if neg {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

// parseReal reads a number; one that no real can hold is null.
func parseReal(s []byte) Value {
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(s)), 64)
	return Value{F: f, OK: err == nil}
}

func realToLong(f float64) Value {
	if f >= -(1<<63) && f < 1<<63 {
		return longValue(int64(f))
	}
	return null
}

// toInt keeps what fits into 32 bits.
func toInt(v Value) Value {
	v.OK = v.OK && v.N == int64(int32(v.N))
	return v
}

func parseGUID(s []byte) Value {
	text := strings.Trim(string(s), "{}() ")
	plain := strings.ReplaceAll(text, "-", "")
	if b, err := hex.DecodeString(plain); err != nil || len(b) != 16 {
		return null
	}
	plain = strings.ToLower(plain)
	return textValue(plain[:8] + "-" + plain[8:12] + "-" + plain[12:16] + "-" + plain[16:20] + "-" + plain[20:])
}

// appendText appends v of type t as tostring() gives it; a null gives nothing.
func appendText(dst []byte, t Type, v Value) []byte {
	if !v.OK {
		return dst
	}
	switch t {
	case Bool:
		return strconv.AppendBool(dst, v.N != 0)
	case Int, Long:
		return strconv.AppendInt(dst, v.N, 10)
	case Real:
		return appendReal(dst, v.F)
	case Datetime:
		return appendDatetime(dst, v.N, 7)
	case Timespan:
		return appendTimespan(dst, v.N)
	case Dynamic:
		if v.S[0] == '"' {
			return scan.AppendUnquoted(dst, v.S[1:len(v.S)-1])
		}
	}
	return append(dst, v.S...)
}

// appendReal writes a real as Kusto prints it: always with a decimal point.
func appendReal(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	from := len(dst)
	if a := math.Abs(f); a != 0 && (a < 1e-5 || a >= 1e15) {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	} else {
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	for _, c := range dst[from:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendJSON appends v of type t as a JSON value; null becomes null.
func appendJSON(dst []byte, t Type, v Value) []byte {
	if !v.OK {
		return append(dst, "null"...)
	}
	switch t {
	case Bool, Int, Long:
		return appendText(dst, t, v)
	case Decimal:
		return append(dst, v.S...)
	case Real:
		if math.IsNaN(v.F) || math.IsInf(v.F, 0) {
			return append(append(append(dst, '"'), appendReal(nil, v.F)...), '"')
		}
		return strconv.AppendFloat(dst, v.F, jsonFormat(v.F), -1, 64)
	case Dynamic:
		return append(dst, v.S...)
	case Datetime:
		return append(appendDatetime(append(dst, '"'), v.N, -1), '"')
	case Timespan:
		return append(appendTimespan(append(dst, '"'), v.N), '"')
	}
	if v.Safe {
		return append(append(append(dst, '"'), v.S...), '"')
	}
	return scan.AppendQuoted(dst, v.S)
}

// appendDynamic appends v of type t as a part of a dynamic value. It tells more
// than appendJSON does: a real keeps its decimal point, a datetime its fraction.
func appendDynamic(dst []byte, t Type, v Value) []byte {
	switch {
	case v.OK && t == Datetime:
		return append(appendDatetime(append(dst, '"'), v.N, 7), '"')
	case v.OK && t == Real && v.F == math.Trunc(v.F) && math.Abs(v.F) < 1e15:
		return append(strconv.AppendFloat(dst, v.F, 'f', -1, 64), ".0"...)
	}
	return appendJSON(dst, t, v)
}

func jsonFormat(f float64) byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return 'e'
	}
	return 'f'
}
