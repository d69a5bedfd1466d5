package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

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

// TestOurShareIsKept: what answers tell of a limit, and how long nothing is asked
// for then.
func TestOurShareIsKept(t *testing.T) {
	for _, x := range []struct {
		limit, left, reset string
		wait               time.Duration
	}{
		{"100", "49", "30", 30 * time.Second},
		{"100", "51", "30", 0},
		{"100", "49", "1795348830000", 31 * time.Second},
		{"100", "49", "7200", time.Hour},
		{"100", "49", "604800", 0},
		{"100", "0", "604800", 0},
		{"100", "49", "", 0},
		{"", "49", "30", 0},
		{"", "0", "30", 30 * time.Second},
		{"100", "-1", "30", 0},
		{"100", "NaN", "30", 0},
		{"-1", "0", "30", 30 * time.Second},
		{"Inf", "49", "30", 0},
		{"0", "0", "30", 0},
		{"100, 100;w=60", "49", "30", 0},
	} {
		now := noon
		s := authSource(t, "{type: none}", func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range map[string]string{"RateLimit-Limit": x.limit, "RateLimit-Remaining": x.left, "RateLimit-Reset": x.reset} {
				w.Header().Set(k, v)
			}
			_, _ = io.WriteString(w, `[]`)
		}, func(o *Options) { o.Now = func() time.Time { return now } })
		s.c.Limits.Share = 0.5
		fetchOK(t, s)
		_, err := s.Fetch(t.Context(), window, "")
		e := new(engine.Error)
		if errors.As(err, &e); e.Wait != x.wait || (x.wait > 0) != (e.Reason == engine.RateShare) {
			t.Errorf("%+v: %v (%s)", x, err, e.Wait)
		}
		now = now.Add(x.wait) // then it is asked, once
		fetchOK(t, s)
	}
}

// TestAnswersThatMeanTooOften, and those that only speak of it. The bodies are those
// of the providers' documentation, by the links in limited.go.
func TestAnswersThatMeanTooOften(t *testing.T) {
	const minute = time.Minute
	left := map[string]string{"X-RateLimit-Remaining": "4711", "X-RateLimit-Limit": "5000", "X-RateLimit-Reset": "1795350600"}
	for _, x := range []struct {
		status int
		header map[string]string
		body   string
		wait   time.Duration // 0: it does not mean that
	}{
		{403, nil, `{"documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits","message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`, minute},
		{403, left, `{"message":"You have exceeded a secondary rate limit."}`, minute},
		{403, map[string]string{"Retry-After": "17", "X-RateLimit-Remaining": "4711"}, `{"message":"You have exceeded a secondary rate limit."}`, 17 * time.Second},
		{403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795350600"}, `{"message":"API rate limit exceeded for user ID 1."}`, 30*minute + time.Second},
		{403, nil, `{"message":"You have triggered an abuse detection mechanism. Please wait a few minutes before you try again."}`, minute},
		{403, nil, `{"error":{"code":403,"message":"limit","errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded"}],"status":"PERMISSION_DENIED"}}`, minute},
		{403, nil, `{"error":{"errors":[{"domain":"usageLimits","reason":"rateLimitExceeded"}]}}`, minute},
		{403, nil, `{"error":{"errors":[{"domain":"global","reason":"quotaExceeded"}]}}`, minute},
		{403, nil, `{"error":{"errors":[{"domain":"usageLimits","reason":"dailyLimitExceeded"}]}}`, minute},
		{403, nil, `{"error":{"code":403,"status":"RESOURCE_EXHAUSTED"}}`, minute},
		{403, nil, `{"error":{"code":"TooManyRequests","message":"…"}}`, minute},
		{403, nil, `{"error":{"code":"activityLimitReached"}}`, minute},
		{403, nil, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, minute},
		{403, nil, `{"ok":false,"error":"ratelimited"}`, minute},
		{403, nil, `<h1>Developer Over Qps</h1>`, minute},
		{403, nil, `Request was throttled.`, minute},
		{403, nil, `Too many requests`, minute},
		{403, nil, `{"errorSummary":"API call exceeded rate limit due to too many requests."}`, minute},
		{403, nil, `{"message":"the rate limit has been reached, try later"}`, minute},
		{400, nil, `{"__type":"ThrottlingException","message":"Rate exceeded"}`, minute},
		{400, nil, `{"__type":"com.amazonaws#TooManyRequestsException"}`, minute},
		{400, nil, `<Error><Code>RequestLimitExceeded</Code></Error>`, minute},

		{403, nil, `{"message":"Must have admin rights to Repository.","documentation_url":"https://docs.github.com/rest/rate-limit"}`, 0},
		{403, left, `{"message":"Resource not accessible by integration"}`, 0},
		{403, nil, `{"error":{"errors":[{"domain":"usageLimits","reason":"dailyLimitExceededUnreg"}],"message":"Daily Limit for Unauthenticated Use Exceeded. Continued use requires signup."}}`, 0},
		{403, nil, `{"error":"missing scope rate_limits:read"}`, 0},
		{403, nil, `{"error":"the account may not see the rate limit settings; see https:\/\/x.example\/rate-limit-exceeded"}`, 0},
		{403, nil, `{"error":{"errors":[{"reason":"insufficientPermissions"}]}}`, 0},
		{403, nil, ``, 0},
		{400, nil, `{"error":"limit must not exceed the page limit of 1000"}`, 0},
		{400, nil, `{"error":"the number of rows exceeds the api limit of 500"}`, 0},
		{404, nil, `too many requests`, 0},
	} {
		s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range x.header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(x.status)
			_, _ = io.WriteString(w, x.body)
		})
		_, err := s.Fetch(t.Context(), window, "")
		e := new(engine.Error)
		if !errors.As(err, &e) || (e.Reason == "throttled") != (x.wait > 0) || e.Wait != x.wait || e.Reason == "throttled" && strings.Contains(fmt.Sprint(err), "allowed") {
			t.Errorf("%d %s: %v (%s, wait %s), want %s", x.status, x.body, err, e.Reason, e.Wait, x.wait)
		}
	}
}

// TestALimitWithStatus200: where the connector says what a success looks like.
func TestALimitWithStatus200(t *testing.T) {
	for body, want := range map[string]string{`{"ok":false,"error":"ratelimited"}`: "throttled", `{"ok":false,"error":"team_disabled"}`: "provider_error"} {
		a := newAPI(t, map[string]any{"GET /data": body})
		_, err := a.open(t, declared(t, "", "success: {at: $.ok, is: \"true\"}\n"+strings.Replace(listStream, "records: $", "records: $.items", 1))).Fetch(t.Context(), window, "")
		e := new(engine.Error)
		if errors.As(err, &e); e.Reason != want || want == "throttled" && e.Wait != time.Minute {
			t.Errorf("%s: %v (%s)", body, err, e.Wait)
		}
	}
}
