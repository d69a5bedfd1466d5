package answer

import (
	"net/http"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// TestWhenALimitIsReset: the forms in which providers write it. noon is 1795348800.
func TestWhenALimitIsReset(t *testing.T) {
	const never = 0
	for reset, want := range map[string]time.Duration{
		"30": 30 * time.Second, "30.5": 30*time.Second + 500*time.Millisecond, "0": never, " 30 ": 30 * time.Second,
		"1795348860": 61 * time.Second, "1795348860.0": 61 * time.Second, "1795348860000": 61 * time.Second, "1795348860000000": 61 * time.Second, "1795348860000000000": 61 * time.Second,
		"Sun, 22 Nov 2026 12:01:00 GMT": 61 * time.Second, "Sun, 22 Nov 2026 12:01:00 UTC": 61 * time.Second, "2026-11-22T12:01:00Z": 61 * time.Second, "2026-11-22T14:01:00.000+02:00": 61 * time.Second,
		"1795348000": time.Second, "3601": time.Hour, "1795370400": time.Hour, // over; in an hour; in six
		"604800": never, "1795953600": never, "1795953600000": never, "99999999": never, // in a week, or in three years
		"": never, "-5": never, "NaN": never, "Inf": never, "-Inf": never, "1e300": never, "soon": never,
	} {
		for _, name := range []string{"X-Rate-Limit-Reset", "X-RateLimit-Reset", "RateLimit-Reset"} {
			h := http.Header{}
			h.Set(name, reset)
			if got := retryAfter(h, noon); got != want {
				t.Errorf("%s: %s: %s, want %s", name, reset, got, want)
			}
		}
	}
}

func TestRetryAfterIsBelievedForADay(t *testing.T) {
	for after, want := range map[string]time.Duration{
		"7": 7 * time.Second, "1.5": 1500 * time.Millisecond, "7200": 2 * time.Hour, "604800": 24 * time.Hour, "1e300": 24 * time.Hour, "Inf": 24 * time.Hour,
		"1795348860": 61 * time.Second, "2026-11-22T12:01:00Z": 61 * time.Second, "Tue, 22 Nov 2050 12:01:00 GMT": 24 * time.Hour,
		"-1": 10 * time.Second, "NaN": 10 * time.Second, "soon": 10 * time.Second, "": 10 * time.Second, // the reset counts
	} {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Reset": {"10"}}
		if got := retryAfter(h, noon); got != want {
			t.Errorf("%s: %s, want %s", after, got, want)
		}
	}
}

// FuzzRetryAfter: no header makes a wait negative, or longer than a day.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "30", "1.5", "-1", "NaN", "Inf", "1e300", "Sun, 22 Nov 2026 12:00:30 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "soon"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, after, reset string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Reset": {reset}, "X-Ratelimit-Limit": {reset}, "X-Ratelimit-Remaining": {after}}
		if d := retryAfter(h, noon); d < 0 || d > maxWait+time.Second {
			t.Errorf("Retry-After %q, reset %q: %s", after, reset, d)
		}
	})
}
