package sentinel

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// What TimeGenerated may be when a row is sent: an hour is left for the way there.
const (
	oldest = Oldest - time.Hour
	newest = Newest - time.Hour
)

// Said is what a record says for the columns that every row has.
type Said struct {
	At         time.Time // when it happened, if HasTime
	HasTime    bool
	Additional []byte // members of AdditionalFields; empty: none
	// ByArrival has TimeGenerated be when the row is sent, and EventTime when it happened.
	ByArrival bool
}

// Seal completes a row that begins at row[start:], a JSON object without its closing
// brace and without the columns that every row has.
func Seal(row []byte, start int, s *engine.Stamp, said Said) []byte {
	if len(row) > start+1 {
		row = append(row, ',')
	}
	row = append(row, `"EventUid":`...)
	row = appendString(row, s.UID)
	row = append(row, `,"SluiceConnection":`...)
	row = appendString(row, s.Connection)
	if s.Backfill {
		row = append(row, `,"IsBackfill":true`...)
	}
	at := said.At
	switch age := s.Now.Sub(at); {
	case !said.HasTime:
		at = s.Now
	case said.ByArrival || age > oldest || age < -newest:
		row = appendTime(append(row, `,"EventTime":`...), at)
		at = s.Now
	}
	row = appendTime(append(row, `,"TimeGenerated":`...), at)
	if len(said.Additional) > 0 {
		row = append(append(append(row, `,"AdditionalFields":{`...), said.Additional...), '}')
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
func appendString[T string | []byte](dst []byte, text T) []byte {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(string(bytes.ToValidUTF8([]byte(text), []byte("\ufffd"))))
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}
