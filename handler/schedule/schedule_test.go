package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestSchedulesAreReadAsTheHostReadsThem(t *testing.T) {
	from := time.Date(2026, 11, 22, 10, 2, 30, 0, time.UTC) // a Sunday
	for expr, want := range map[string]string{
		"0 */5 * * * *":        "2026-11-22T10:05:00Z",
		"*/10 * * * * *":       "2026-11-22T10:02:40Z",
		"0 30 9 * * Mon-Fri":   "2026-11-23T09:30:00Z",
		"0 30 9 * Jan Mon":     "2027-01-04T09:30:00Z",
		"0 0 0 13 * 5":         "2026-11-13T00:00:00Z", // Friday the 13th: AND, where Unix cron has OR
		"*/5 * * * *":          "2026-11-22T10:05:00Z", // five fields: the seconds are 0
		"0 0 12 * * 0":         "2026-11-22T12:00:00Z", // 0 is Sunday
		"15,45 0-3 10 * * sun": "2026-11-22T10:02:45Z",
		"0 0 0 29 2 *":         "2028-02-29T00:00:00Z",
	} {
		s, err := Parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		at := from
		if expr == "0 0 0 13 * 5" {
			at = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
		}
		if got := s.Next(at).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: next %s, want %s", expr, got, want)
		}
	}
	for expr, want := range map[string]string{
		"": "0 fields, want six", "often": "1 fields", "* * * *": "4 fields", "TZ=UTC 0 0 0 * * *": "7 fields", "@daily": "1 fields", "61 * * * * *": "want NCRONTAB", "0 0 25 * * *": "want NCRONTAB",
		"0 0 0 * * 8": "want NCRONTAB", "0 0 0 L * *": "L is no field", "0 0 0 * * 7": "7 is no field", "0 0 0 * * 5-7": "5-7 is no field", "0 0 0 * * Fri-Mon": "the range Fri-Mon goes down", "0 0 0 ? * *": "? is no field", "0 0 0 31 2 *": "never comes", "0 0 0 29 2 1": "never comes", "0 0 0 30 Feb *": "never comes", "0 0 0 31 4,6,9,11 *": "never comes",
		"0 */0 * * * *": "want NCRONTAB", "0 0 0 0 * *": "want NCRONTAB", "0 5-1 * * * *": "the range 5-1 goes down: write two",
	} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", expr, err, want)
		}
	}
}
