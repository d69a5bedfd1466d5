package answer

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What headers say of a limit of requests, and of how long to wait.

// Count reads a number of requests; a negative one stands for no limit.
func Count(h http.Header, what string) (float64, bool) {
	n, err := strconv.ParseFloat(rateHeader(h, what), 64)
	return n, err == nil && n >= 0 && !math.IsInf(n, 0)
}

// rateHeader reads a rate-limit header in the spellings that are in use.
func rateHeader(h http.Header, what string) string {
	for _, prefix := range []string{"X-Rate-Limit-", "X-Ratelimit-", "Ratelimit-"} {
		if v := strings.TrimSpace(h.Get(prefix + what)); v != "" {
			return v
		}
	}
	return ""
}

const (
	// maxWait is the longest wait that is believed in where an answer asks for it.
	maxWait = 24 * time.Hour
	// maxReset is the longest wait for a limit to be reset: then it is asked once,
	// and the answer says whether it has to be longer.
	maxReset = time.Hour
	// farReset is when a reset is too far off to be meant, or read rightly.
	farReset = 25 * time.Hour
)

// retryAfter is how long an answer asks to wait: Retry-After, or the time at which
// the rate limit is reset. 0: it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := waitIn(h.Get("Retry-After"), now); ok {
		return min(d, maxWait)
	}
	if d, ok := waitIn(rateHeader(h, "RetryAfter"), now); ok { // CrowdStrike
		return min(d, maxWait)
	}
	return UntilReset(h, now)
}

// UntilReset is how long to wait for …-Reset, 0 when it says nothing that can be meant.
func UntilReset(h http.Header, now time.Time) time.Duration {
	d, ok := waitIn(rateHeader(h, "Reset"), now)
	if !ok || d > farReset {
		return 0
	}
	return min(d, maxReset)
}

// waitIn reads how long to wait: seconds from now, or until a time since 1970 in
// seconds, milliseconds, microseconds or nanoseconds, or until a date.
func waitIn(text string, now time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return untilDate(text, now)
	}
	switch {
	case !(n >= 0): // NaN too
		return 0, false
	case n < 1e8: // three years
		return time.Duration(n * float64(time.Second)), true
	case n < 1e11: // the year 5138
	case n < 1e14:
		n /= 1e3
	case n < 1e17:
		n /= 1e6
	default:
		n = min(n/1e9, 1e11)
	}
	return untilTime(time.Unix(int64(n), 0), now), true
}

func untilDate(text string, now time.Time) (time.Duration, bool) {
	for _, layout := range []string{http.TimeFormat, time.RFC3339, time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, text); err == nil {
			return untilTime(t, now), true
		}
	}
	return 0, false
}

// untilTime is how long to wait for t to be over; headers have whole seconds.
func untilTime(t, now time.Time) time.Duration {
	return min(max(t.Sub(now), 0), math.MaxInt64-time.Second) + time.Second
}
