package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// timeFormats are the formats of {window.from:…} that have a name. The default is
// rfc3339_ms.
var timeFormats = map[string]func(time.Time) string{
	"rfc3339":        layout("2006-01-02T15:04:05Z"),
	"rfc3339_ms":     layout("2006-01-02T15:04:05.000Z"),
	"rfc3339_us":     layout("2006-01-02T15:04:05.000000Z"),
	"rfc3339_ns":     layout("2006-01-02T15:04:05.000000000Z"),
	"rfc3339_offset": layout("2006-01-02T15:04:05+00:00"),
	"date":           layout("2006-01-02"),
	"unix":           func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
	"unix_ms":        func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
	"unix_us":        func(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) },
	"unix_ns":        func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
}

func layout(l string) func(time.Time) string {
	return func(t time.Time) string { return t.Format(l) }
}

func formatNames() []string { return slices.Sorted(maps.Keys(timeFormats)) }

// patternParts are the parts of a pattern as .NET writes it
// (learn.microsoft.com, "Custom date and time format strings"), and Go's for them.
var patternParts = map[string]string{
	"yyyy": "2006", "yy": "06", "MMMM": "January", "MMM": "Jan", "MM": "01", "M": "1", "dddd": "Monday", "ddd": "Mon", "dd": "02", "d": "2",
	"HH": "15", "H": "", "hh": "03", "h": "3", "mm": "04", "m": "4", "ss": "05", "s": "5", "tt": "PM", "zzz": "-07:00",
	"f": ".0", "ff": ".00", "fff": ".000", "ffff": ".0000", "fffff": ".00000", "ffffff": ".000000", "fffffff": ".0000000",
}

// TimeFormat returns what writes times in a format: one with a name, or a pattern
// such as yyyy-MM-dd HH:mm:ss. What is no letter in a pattern stands for itself, and
// so do T, Z and texts in single quotes.
func TimeFormat(format string) (func(time.Time) string, error) {
	if f, ok := timeFormats[cmp.Or(format, "rfc3339_ms")]; ok {
		return func(t time.Time) string { return f(t.UTC()) }, nil
	}
	p, err := parsePattern(format)
	if err != nil {
		return nil, err
	}
	if err := p.check(format); err != nil {
		return nil, err
	}
	return p.write, nil
}

// pattern is a time pattern in pieces.
type pattern []piece

// piece is a part of a time, such as yyyy, or a text that stands for itself.
type piece struct {
	text    string
	literal bool
}

func parsePattern(format string) (pattern, error) {
	var p pattern
	parts := 0
	for rest := format; rest != ""; {
		c := rest[0]
		n := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
		switch isLetter := c|0x20 >= 'a' && c|0x20 <= 'z'; {
		case c == '\'':
			text, after, ok := strings.Cut(rest[1:], "'")
			if !ok {
				return nil, fmt.Errorf("the quote in the time format %q is not closed", format)
			}
			p, rest = append(p, piece{text, true}), after
			continue
		case !isLetter, c == 'T', c == 'Z':
			p = append(p, piece{rest[:n], true})
		default:
			if _, ok := patternParts[rest[:n]]; !ok {
				return nil, fmt.Errorf("there is no time format %s%s: %s is no part of one%s; there are %s, and patterns such as yyyy-MM-dd HH:mm:ss",
					format, nearest.Hint(format, formatNames()), rest[:n], meant(rest[:n]), strings.Join(formatNames(), ", "))
			}
			p, parts = append(p, piece{rest[:n], false}), parts+1
		}
		rest = rest[n:]
	}
	if parts == 0 {
		return nil, fmt.Errorf("there is no time format %s; there are %s, and patterns such as yyyy-MM-dd HH:mm:ss", format, strings.Join(formatNames(), ", "))
	}
	return p, nil
}

// meant is what other languages' patterns call a part, such as YYYY.
func meant(part string) string {
	words := map[byte]string{'Y': "yyyy is the year", 'D': "dd is the day", 'S': "fff are milliseconds, ss seconds", 'A': "tt is AM or PM", 'a': "tt is AM or PM", 'X': "zzz is the offset", 'n': "fffffff are fractions of a second"}
	if w := words[part[0]]; w != "" {
		return ": " + w
	}
	return ""
}

func (p pattern) write(t time.Time) string {
	t = t.UTC()
	var b strings.Builder
	for _, x := range p {
		switch {
		case x.literal:
			b.WriteString(x.text)
		case x.text == "H": // the hour without a zero in front, which Go has no layout for
			b.WriteString(strconv.Itoa(t.Hour()))
		default:
			b.WriteString(strings.TrimPrefix(t.Format(patternParts[x.text]), "."))
		}
	}
	return b.String()
}

func (p pattern) String() string {
	var b strings.Builder
	for _, x := range p {
		if x.literal && strings.ContainsFunc(x.text, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' && r != 'T' && r != 'Z' }) {
			b.WriteString("'" + x.text + "'")
		} else {
			b.WriteString(x.text)
		}
	}
	return b.String()
}

// check finds the two mistakes that everybody makes: hours by the clock of twelve
// without am or pm, and minutes for the month or the month for minutes.
func (p pattern) check(format string) error {
	var kinds []byte // of the parts, in order
	for _, x := range p {
		if !x.literal {
			kinds = append(kinds, x.text[0])
		}
	}
	right := slices.Clone(p)
	var wrong []string
	n := -1
	for i, x := range p {
		if x.literal {
			continue
		}
		n++
		switch {
		case x.text[0] == 'h' && !slices.Contains(kinds, 't'):
			wrong = append(wrong, fmt.Sprintf("hours by the clock of twelve (%s) without am or pm (tt)", x.text))
			right[i].text = strings.ToUpper(x.text)
		case x.text[0] == 'm' && besideDate(kinds, n):
			wrong = append(wrong, fmt.Sprintf("minutes (%s) where the month (%s) belongs", x.text, strings.ToUpper(x.text)))
			right[i].text = strings.ToUpper(x.text)
		case (x.text == "MM" || x.text == "M") && besideTime(kinds, n):
			wrong = append(wrong, fmt.Sprintf("the month (%s) where minutes (%s) belong", x.text, strings.ToLower(x.text)))
			right[i].text = strings.ToLower(x.text)
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("the time format %q has %s: write %s", format, strings.Join(wrong, ", and "), right)
}

// besideDate reports whether part n has a year or a day beside it, and no hour before.
func besideDate(kinds []byte, n int) bool {
	if n > 0 {
		return strings.IndexByte("yMd", kinds[n-1]) >= 0
	}
	return n+1 < len(kinds) && strings.IndexByte("yd", kinds[n+1]) >= 0
}

// besideTime reports whether part n has an hour before it, or seconds behind.
func besideTime(kinds []byte, n int) bool {
	return n > 0 && strings.IndexByte("Hh", kinds[n-1]) >= 0 || n+1 < len(kinds) && kinds[n+1] == 's'
}

// Granularity is what a format tells apart: a second, a minute, an hour or a day. One
// that cannot tell days apart is an error.
func Granularity(format string) (time.Duration, error) {
	f, err := TimeFormat(format)
	if err != nil {
		return 0, err
	}
	for _, g := range []time.Duration{time.Second, time.Minute, time.Hour, day} {
		if _, _, found := alike([]func(time.Time) string{f}, g); !found {
			return g, nil
		}
	}
	return 0, fmt.Errorf("the time format %q cannot be read back: write one that says all of a time, such as yyyy-MM-dd HH:mm:ss", format)
}

// alike finds two times that are a multiple of granularity and that all of formats
// together write alike, so that nobody can read them back.
func alike(formats []func(time.Time) string, granularity time.Duration) (a, b time.Time, found bool) {
	seen := map[string]time.Time{}
	for _, t := range samples(granularity) {
		var text strings.Builder
		for _, f := range formats {
			text.WriteString(f(t) + "\n")
		}
		if first, ok := seen[text.String()]; ok && !first.Equal(t) {
			return first, t, true
		}
		seen[text.String()] = t
	}
	return a, b, false
}

// samples are times of which any two differ in one part or several. Their numbers
// run into each other where a pattern has nothing between them: 1 and 11.
func samples(granularity time.Duration) []time.Time {
	list := []time.Time{time.Date(2026, 1, 1, 1, 1, 1, 0, time.UTC).Truncate(granularity)}
	for _, later := range []struct {
		years, months, days int
		d                   time.Duration
	}{{d: 1}, {d: time.Microsecond}, {d: time.Millisecond}, {d: 10 * time.Second}, {d: 10 * time.Minute}, {d: 10 * time.Hour}, {d: 12 * time.Hour}, {days: 10}, {months: 10}, {years: 1}} {
		for _, t := range slices.Clone(list) {
			if u := t.Add(later.d).AddDate(later.years, later.months, later.days).Truncate(granularity); !u.Equal(t) {
				list = append(list, u)
			}
		}
	}
	return list
}

// FormatTime writes a time in a format that the validation of a connector has read
// already.
func FormatTime(t time.Time, format string) string {
	f, err := TimeFormat(format)
	if err != nil {
		panic(err)
	}
	return f(t)
}
