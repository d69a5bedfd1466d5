package answer

import (
	"net/http"
	"regexp"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TooOften reports whether an answer means that it was asked too often. Not only 429
// does: with 403 it is said by GitHub (secondary limits), Google, Salesforce and API
// gateways, with 400 by AWS, and then it is the body that says so.
func TooOften(resp *http.Response, body []byte) bool {
	h, text := resp.Header, head(body)
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return h.Get("Retry-After") != "" && h.Get("Retry-After") != "0"
	case http.StatusForbidden:
		return rateHeader(h, "Remaining") == "0" || h.Get("Retry-After") != "" || limitCode.Match(text) || limitPhrase.Match(address.ReplaceAll(text, nil))
	case http.StatusBadRequest:
		return limitCode.Match(text)
	}
	return false
}

// head is as much of an error's body as is searched for words.
func head(body []byte) []byte { return body[:min(len(body), 16<<10)] }

// Throttled is the error of an answer that means TooOften. One that does not say how
// long to wait, or says that something is left of another limit, asks for a minute:
// docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api.
func (e *Errors) Throttled(resp *http.Response, cause error) error {
	wait := retryAfter(resp.Header, e.Now())
	left, said := Count(resp.Header, "Remaining")
	switch resp.StatusCode {
	case http.StatusOK, http.StatusBadRequest, http.StatusForbidden:
		if wait == 0 || said && left > 0 && resp.Header.Get("Retry-After") == "" {
			wait = time.Minute
		}
	}
	return e.Fail(engine.Throttled, "throttled", "", cause, wait)
}

// limitCode finds codes that mean a limit of requests:
//
//	userRateLimitExceeded, rateLimitExceeded, quotaExceeded, dailyLimitExceeded,
//	RESOURCE_EXHAUSTED, RATE_LIMIT_EXCEEDED    Google (developers.google.com/workspace/admin/reports/v1/limits, cloud.google.com/apis/design/errors);
//	                                           with Unreg at the end it is the credentials that are missing
//	ThrottlingException, Throttling, RequestLimitExceeded, TooManyRequestsException,
//	SlowDown, Rate exceeded                    AWS (docs.aws.amazon.com/general/latest/gr/api-retries.html)
//	TooManyRequests, activityLimitReached,
//	ApplicationThrottled, RequestThrottled     Microsoft (learn.microsoft.com/graph/errors, /graph/throttling)
//	REQUEST_LIMIT_EXCEEDED                     Salesforce (REST API, status codes)
//	ratelimited, rate_limited                  Slack (api.slack.com/docs/rate-limits), GraphQL APIs
var limitCode = regexp.MustCompile(`(?i)\b(user|quota|api)?_?rate_?limit(_?exceeded|ed)\b|\b(quota|daily_?limit|request_?limit)_?exceeded\b|\bresource_exhausted\b` +
	`|throttl(ing|ed)(exception)?\b|\btoo_?many_?requests(exception)?\b|\bslow_?down\b|\bactivity_?limit_?reached\b|\brate exceeded\b`)

// limitPhrase finds the same in prose, such as "You have exceeded a secondary rate
// limit", "API rate limit exceeded for user ID 1", "You have triggered an abuse
// detection mechanism" (GitHub), "Developer Over Qps" (Mashery).
var limitPhrase = regexp.MustCompile(`(?i)\b(exceed\w*|reach\w*|hit|over|by|due to)\W+([\w'-]+\W+){0,6}(rate|request|call|api|usage)[ -]limit|\b(rate|request|call|api|usage)[ -]limit\w*\W+((is|was|has|have|been|the|of)\W+)*(exceed|reach|hit|over)` +
	`|\brate[ -]limit(ed|ing)\b|\btoo many (api |http )?(requests|calls|queries)\b|\bexceeded\W+([\w'-]+\W+){0,6}(quota|(requests|calls) (per|allowed))|\bquota\W+((is|was|has|been)\W+)*exceeded\b` +
	`|\babuse detection\b|\bdeveloper over (qps|rate)\b`)

// address finds links: one to the chapter on limits says nothing.
var address = regexp.MustCompile(`https?:(//|\\/\\/)[^\s"<>]+`)
