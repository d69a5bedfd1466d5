package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
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

// patternParts are the parts of a pattern as .NET writes it
// (learn.microsoft.com, "Custom date and time format strings"), and Go's for them.
var patternParts = map[string]string{
	"yyyy": "2006", "yy": "06", "MMMM": "January", "MMM": "Jan", "MM": "01", "M": "1", "dddd": "Monday", "ddd": "Mon", "dd": "02", "d": "2",
	"HH": "15", "hh": "03", "h": "3", "mm": "04", "m": "4", "ss": "05", "s": "5", "tt": "PM", "zzz": "-07:00",
	"f": ".0", "ff": ".00", "fff": ".000", "ffff": ".0000", "fffff": ".00000", "ffffff": ".000000", "fffffff": ".0000000",
}

// TimeFormat returns what writes times in a format: one with a name, or a pattern
// such as yyyy-MM-dd HH:mm:ss. What is no letter in a pattern stands for itself, and
// so do T, Z and texts in single quotes.
func TimeFormat(format string) (func(time.Time) string, error) {
	if format == "" {
		format = "rfc3339_ms"
	}
	if f, ok := timeFormats[format]; ok {
		return func(t time.Time) string { return f(t.UTC()) }, nil
	}
	pieces, err := patternPieces(format)
	if err != nil {
		return nil, err
	}
	return func(t time.Time) string {
		t = t.UTC()
		var b strings.Builder
		for _, p := range pieces {
			b.WriteString(p(t))
		}
		return b.String()
	}, nil
}

func patternPieces(pattern string) (pieces []func(time.Time) string, err error) {
	letters := false
	for rest := pattern; rest != ""; {
		c := rest[0]
		n := 1
		for n < len(rest) && rest[n] == c {
			n++
		}
		switch isLetter := c|0x20 >= 'a' && c|0x20 <= 'z'; {
		case c == '\'':
			text, after, ok := strings.Cut(rest[1:], "'")
			if !ok {
				return nil, fmt.Errorf("the quote in the time format %q is not closed", pattern)
			}
			pieces, rest = append(pieces, literal(text)), after
			continue
		case !isLetter, c == 'T', c == 'Z':
			pieces = append(pieces, literal(rest[:n]))
		default:
			part, ok := patternParts[rest[:n]]
			if !ok {
				return nil, fmt.Errorf("there is no time format %s: %s is no part of one; there are %s, and patterns such as yyyy-MM-dd HH:mm:ss", pattern, rest[:n], strings.Join(formatNames(), ", "))
			}
			letters = true
			pieces = append(pieces, func(t time.Time) string { return strings.TrimPrefix(t.Format(part), ".") })
		}
		rest = rest[n:]
	}
	if !letters {
		return nil, fmt.Errorf("there is no time format %s; there are %s, and patterns such as yyyy-MM-dd HH:mm:ss", pattern, strings.Join(formatNames(), ", "))
	}
	return pieces, nil
}

func literal(text string) func(time.Time) string { return func(time.Time) string { return text } }

func formatNames() []string {
	var names []string
	for n := range timeFormats {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
