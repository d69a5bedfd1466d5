package answer

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// open covers nothing: there are no credentials.
type open struct{}

func (open) Redact(text string) string { return text }
func (open) Begin(text string) string  { return text }

// TestAnswersThatMeanTooOften, and those that only speak of it. The bodies are those
// of the providers' documentation, by the links in limited.go.
func TestAnswersThatMeanTooOften(t *testing.T) {
	const minute = time.Minute
	base := &url.URL{Scheme: "https", Host: "acme.example"}
	errs := &Errors{Connector: &spec.Connector{Name: "acme"}, Base: base, Now: func() time.Time { return noon }, Cover: open{}}
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
		resp := &http.Response{StatusCode: x.status, Header: http.Header{}, Request: &http.Request{URL: base}}
		for k, v := range x.header {
			resp.Header.Set(k, v)
		}
		err := errs.Status(resp, []byte(x.body), false)
		e := new(engine.Error)
		if !errors.As(err, &e) || (e.Reason == "throttled") != (x.wait > 0) || e.Wait != x.wait || e.Reason == "throttled" && strings.Contains(fmt.Sprint(err), "allowed") {
			t.Errorf("%d %s: %v (%s, wait %s), want %s", x.status, x.body, err, e.Reason, e.Wait, x.wait)
		}
	}
}
