package answer

import (
	"fmt"
	"net/http"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Status classifies a response that is no success. paged says that the
// request carried a page token.
func (e *Errors) Status(resp *http.Response, body []byte, paged bool) error {
	code := resp.StatusCode
	cause := e.Says(e.Foreign(resp.Request.URL.Host, 100), resp, body)
	switch {
	case TooOften(resp, body):
		return e.Throttled(resp, cause)
	case code == http.StatusUnauthorized:
		return e.WrongCredentials(cause)
	case code == http.StatusForbidden:
		return e.Fail(engine.Auth, "forbidden", "the credentials are known but not allowed to read this; see the connector's prerequisites", cause, 0)
	case code == http.StatusProxyAuthRequired:
		return e.Fail(engine.Permanent, "proxy_refused", "the proxy wants a user and a password: write them in HTTPS_PROXY", cause, 0)
	case code == http.StatusRequestTimeout || code >= 500:
		return e.Fail(engine.Transient, "provider_error", "", cause, 0)
	case paged && (code == http.StatusBadRequest || code == http.StatusNotFound || code == http.StatusGone):
		return fmt.Errorf("%w: %w", engine.ErrTokenExpired, cause)
	case code == http.StatusNotFound:
		return e.Fail(engine.Permanent, "not_found", "check "+e.HostSetting+" and the connection's other settings", cause, 0)
	}
	return e.Fail(engine.Permanent, "bad_request", "", cause, 0)
}

// WrongCredentials is the error of credentials that are refused.
func (e *Errors) WrongCredentials(cause error) error {
	return e.Fail(engine.Auth, "wrong_credentials", "check "+e.SecretSettings()+": it may be wrong, expired or revoked", cause, 0)
}

// Hidden classifies an error that came with status 200, which may mean TooOften too.
func (e *Errors) Hidden(resp *http.Response, body []byte, err error) error {
	cause := fmt.Errorf("%s answered 200, but %w%s", e.Base.Host, err, e.After(body))
	if limitCode.Match(head(body)) {
		return e.Throttled(resp, cause)
	}
	return e.Fail(engine.Transient, "provider_error", "", cause, 0)
}
