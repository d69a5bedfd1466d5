package kql

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Times are counted in ticks of 100 ns, as Kusto does; datetimes since the
// start of the year 1.
const (
	tick          = 1
	ticksPerSec   = 10_000_000
	ticksPerDay   = 24 * 60 * 60 * ticksPerSec
	unixEpoch     = 621_355_968_000_000_000 // ticks of 1970-01-01
	maxDatetime   = 3_155_378_975_999_999_999
	ticksPerMs    = 10_000
	ticksPerMicro = 10
)

// units of timespan literals; the long forms are those of the documentation.
var units = map[string]int64{
	"d": ticksPerDay, "day": ticksPerDay, "days": ticksPerDay,
	"h": 3600 * ticksPerSec, "hr": 3600 * ticksPerSec, "hrs": 3600 * ticksPerSec, "hour": 3600 * ticksPerSec, "hours": 3600 * ticksPerSec,
	"m": 60 * ticksPerSec, "min": 60 * ticksPerSec, "minute": 60 * ticksPerSec, "minutes": 60 * ticksPerSec,
	"s": ticksPerSec, "sec": ticksPerSec, "second": ticksPerSec, "seconds": ticksPerSec,
	"ms": ticksPerMs, "milli": ticksPerMs, "millis": ticksPerMs, "millisec": ticksPerMs, "millisecond": ticksPerMs, "milliseconds": ticksPerMs,
	"micro": ticksPerMicro, "micros": ticksPerMicro, "microsec": ticksPerMicro, "microsecond": ticksPerMicro, "microseconds": ticksPerMicro,
	"tick": tick, "ticks": tick,
}

// parseUnit reads 1.5h, 10ms, 2days.
func parseUnit(s string) (int64, bool) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i <= 0 {
		return 0, false
	}
	unit, ok := units[s[i:]]
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(s[:i], 10, 64); err == nil {
		v := product(n, unit)
		return v.N, v.OK
	}
	f, err := strconv.ParseFloat(s[:i], 64)
	v := realToLong(f * float64(unit))
	return v.N, v.OK && err == nil
}

// parseTimespan reads [-][d.]hh:mm[:ss[.fffffff]], d:hh:mm:ss, a number of days, or a number with a unit.
func parseTimespan(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	n, ok := parseSpan(s)
	if neg {
		n = -n
	}
	return n, ok
}

func parseSpan(s string) (int64, bool) {
	if !strings.Contains(s, ":") {
		if days, err := strconv.ParseInt(s, 10, 32); err == nil {
			v := product(days, ticksPerDay)
			return v.N, v.OK
		}
		return parseUnit(strings.ReplaceAll(s, " ", ""))
	}
	var days int64
	if dot, colon := strings.IndexByte(s, '.'), strings.IndexByte(s, ':'); dot >= 0 && dot < colon {
		d, err := strconv.ParseInt(s[:dot], 10, 32)
		if err != nil {
			return 0, false
		}
		days, s = d, s[dot+1:]
	}
	s, frac, _ := strings.Cut(s, ".")
	parts := strings.Split(s, ":")
	if len(parts) == 4 && days == 0 { // d:hh:mm:ss
		d, err := strconv.ParseInt(parts[0], 10, 32)
		if err != nil {
			return 0, false
		}
		days, parts = d, parts[1:]
	}
	if len(parts) > 3 || len(frac) > 7 {
		return 0, false
	}
	limits, scale := []int64{24, 60, 60}, []int64{3600, 60, 1}
	var sec int64
	for i, p := range parts {
		v, err := strconv.ParseInt(p, 10, 32)
		if err != nil || v < 0 || v >= limits[i] {
			return 0, false
		}
		sec += v * scale[i]
	}
	var ticks int64
	if frac != "" {
		v, err := strconv.ParseInt((frac + "0000000")[:7], 10, 64)
		if err != nil {
			return 0, false
		}
		ticks = v
	}
	v := product(days, ticksPerDay)
	v.N += sec*ticksPerSec + ticks
	return v.N, v.OK && v.N >= 0
}

func appendTimespan(dst []byte, n int64) []byte {
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	if d := n / ticksPerDay; d > 0 {
		dst = append(strconv.AppendInt(dst, d, 10), '.')
	}
	n %= ticksPerDay
	sec := n / ticksPerSec
	dst = appendPadded(dst, sec/3600, 2)
	dst = appendPadded(append(dst, ':'), sec/60%60, 2)
	dst = appendPadded(append(dst, ':'), sec%60, 2)
	if f := n % ticksPerSec; f != 0 {
		dst = appendPadded(append(dst, '.'), f, 7)
	}
	return dst
}

// appendDatetime writes an ISO 8601 time in UTC with that many digits of a
// second; -1 means as many as needed.
func appendDatetime(dst []byte, ticks int64, digits int) []byte {
	y, m, d := civil(ticks / ticksPerDay)
	dst = appendPadded(dst, int64(y), 4)
	dst = appendPadded(append(dst, '-'), int64(m), 2)
	dst = appendPadded(append(dst, '-'), int64(d), 2)
	rest := ticks % ticksPerDay
	sec, frac := rest/ticksPerSec, rest%ticksPerSec
	dst = appendPadded(append(dst, 'T'), sec/3600, 2)
	dst = appendPadded(append(dst, ':'), sec/60%60, 2)
	dst = appendPadded(append(dst, ':'), sec%60, 2)
	if digits < 0 {
		digits = 0
		for n := int64(ticksPerSec); frac%n != 0; digits++ {
			n /= 10
		}
	}
	if digits > 0 {
		dst = append(dst, '.')
		for i := digits; i < 7; i++ {
			frac /= 10
		}
		dst = appendPadded(dst, frac, digits)
	}
	return append(dst, 'Z')
}

func appendPadded(dst []byte, n int64, width int) []byte {
	var b [20]byte
	i := len(b)
	for n > 0 || width > 0 {
		i--
		b[i] = byte('0' + n%10)
		n /= 10
		width--
	}
	return append(dst, b[i:]...)
}

// civil turns days since 0001-01-01 into a date (algorithm: Howard Hinnant,
// "chrono-Compatible Low-Level Date Algorithms").
func civil(days int64) (y, m, d int) {
	z := days + 306 // days since 0000-03-01
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp + 3)
	y = int(yoe + era*400)
	if m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

// days counts the days from 0001-01-01 to a date.
func days(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era)*146097 + int64(doe) - 306
}

var monthDays = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysIn(y, m int) int {
	if m == 2 && (y%4 == 0 && y%100 != 0 || y%400 == 0) {
		return 29
	}
	return monthDays[m-1]
}

// parseDatetime reads the ISO 8601 forms by hand and the rarer ones through
// package time.
func parseDatetime(s []byte) (ticks int64, ok bool) {
	if n, rest, ok := parseISO(s); ok {
		offset, ok := parseZone(rest)
		n -= offset
		if ok && n >= 0 && n <= maxDatetime {
			return n, true
		}
		return 0, false
	}
	return parseRareDatetime(strings.TrimSpace(string(s)))
}

// parseISO reads yyyy-MM-dd[(T| )HH:mm[:ss[.fraction]]] and returns what follows it.
func parseISO(s []byte) (ticks int64, rest []byte, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, nil, false
	}
	y, m, d := number(s[0:4]), number(s[5:7]), number(s[8:10])
	if y < 1 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, nil, false
	}
	ticks = days(y, m, d) * ticksPerDay
	s = s[10:]
	if len(s) < 6 || s[0] != 'T' && s[0] != ' ' || s[3] != ':' {
		return ticks, s, true
	}
	hh, mm, ss := number(s[1:3]), number(s[4:6]), 0
	s = s[6:]
	if len(s) >= 3 && s[0] == ':' {
		ss = number(s[1:3])
		s = s[3:]
	}
	if hh < 0 || hh > 23 || mm < 0 || mm > 59 || ss < 0 || ss > 59 {
		return 0, nil, false
	}
	ticks += int64(hh*3600+mm*60+ss) * ticksPerSec
	if len(s) > 1 && s[0] == '.' {
		unit := int64(ticksPerSec)
		i := 1
		for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
			unit /= 10
			ticks += int64(s[i]-'0') * unit // digits beyond the seventh are cut
		}
		s = s[i:]
	}
	return ticks, s, true
}

// parseZone reads nothing, Z, or an offset such as +02:00, +0200 or +02.
func parseZone(s []byte) (offset int64, ok bool) {
	if len(s) == 0 || len(s) == 1 && (s[0] == 'Z' || s[0] == 'z') || string(s) == " UTC" || string(s) == " GMT" {
		return 0, true
	}
	if s[0] == ' ' {
		s = s[1:]
	}
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hh, mm := number(s[1:3]), 0
	switch rest := s[3:]; {
	case len(rest) == 3 && rest[0] == ':':
		mm = number(rest[1:])
	case len(rest) == 2:
		mm = number(rest)
	case len(rest) != 0:
		return 0, false
	}
	if hh < 0 || hh > 14 || mm < 0 || mm > 59 {
		return 0, false
	}
	offset = int64(hh*3600+mm*60) * ticksPerSec
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// number reads digits only; anything else is -1.
func number(s []byte) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// Layouts of package time beside ISO 8601: those of RFC 822 and RFC 850, which
// Kusto's documentation names, and those of .NET that real records have. A
// layout with a name in it is tried on texts with a name only.
var wordLayouts, digitLayouts = func() (words, digits []string) {
	for _, weekday := range []string{"", "Mon, ", "Monday, "} {
		for _, date := range []string{"2 Jan 06", "2 Jan 2006", "2-Jan-06", "2-Jan-2006"} {
			for _, clock := range []string{"", " 15:04:05", " 15:04"} {
				for _, zone := range []string{"", " MST", " -0700"} {
					words = append(words, weekday+date+clock+zone)
				}
			}
		}
	}
	words = append(words, "Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006", "Jan _2 2006 15:04:05", "Jan _2, 2006", "January 2, 2006",
		"1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM")
	return words, []string{"1/2/2006", "1/2/2006 15:04:05", "1/2/2006 15:04", "2006/1/2", "2006/1/2 15:04:05", "2006-1-2", "2006-1-2 15:4:5",
		"1-2-2006", "1-2-2006 15:04:05", "2006-01", "2006"}
}()

// zones are the abbreviations of RFC 822, in hours from UTC.
var zones = map[string]int64{"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}

func parseRareDatetime(s string) (int64, bool) {
	if len(s) < 4 || len(s) > 40 {
		return 0, false
	}
	layouts := digitLayouts
	if strings.IndexFunc(s, unicode.IsLetter) >= 0 {
		layouts = wordLayouts
	}
	for _, l := range layouts {
		t, err := time.ParseInLocation(l, s, time.UTC)
		if err != nil {
			continue
		}
		n := fromTime(t)
		if strings.Contains(l, "MST") { // package time knows no abbreviations but those of the machine
			name, offset := t.Zone()
			hours, ok := zones[name]
			if !ok {
				return 0, false
			}
			n += int64(offset)*ticksPerSec - hours*3600*ticksPerSec
		}
		return n, n >= 0 && n <= maxDatetime
	}
	return 0, false
}

func fromTime(t time.Time) int64 {
	return unixEpoch + t.Unix()*ticksPerSec + int64(t.Nanosecond())/100
}

func toTime(ticks int64) time.Time {
	u := ticks - unixEpoch
	sec, frac := u/ticksPerSec, u%ticksPerSec
	return time.Unix(sec, frac*100).UTC()
}
