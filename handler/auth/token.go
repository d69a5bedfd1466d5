package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// token is what an issuer has answered; a life of 0 says that it did not say.
type token struct {
	value string
	life  time.Duration
}

// grant is what a token endpoint has answered.
type grant struct {
	token
	refresh string // the refresh token that is good from now on; "": the one that was used
}

// endpoint is an address at which tokens are issued.
type endpoint struct {
	*url.URL
	setting string // what to check when nobody is there
}

// endpoint is where the connector's tokens are issued: below base_url, or at an
// address of its own.
func (c *credentials) endpoint() (*endpoint, error) {
	text, setting := c.setting(c.decl.TokenURL), c.SettingIn(c.decl.TokenURL, "token_url")
	if strings.HasPrefix(text, "/") {
		text, setting = c.Base.String()+text, "token_url, and "+c.HostSetting
	}
	u, err := netguard.ParseEndpoint(text)
	if err != nil {
		return nil, c.Fail(engine.Permanent, "bad_request", "check token_url", err, 0)
	}
	return &endpoint{u, setting}, nil
}

// ask asks for a token with what the connector's grant needs; without a grant_type
// among params, by the client's credentials.
func (c *credentials) ask(ctx context.Context, at *endpoint, id, secret, scope string, params url.Values) (token, error) {
	if !params.Has("grant_type") {
		params.Set("grant_type", "client_credentials")
	}
	if scopes := strings.Fields(scope); len(scopes) > 0 {
		params.Set("scope", strings.Join(scopes, " "))
	}
	g, err := c.askToken(ctx, at, id, secret, params)
	return g.token, err
}

// askToken makes a request for a token (RFC 6749, section 4) as the client that id
// and secret name. It is never sent on to another address.
func (c *credentials) askToken(ctx context.Context, at *endpoint, id, secret string, form url.Values) (grant, error) {
	inHeader := c.decl.CredentialsIn == "header"
	if !inHeader && id != "" {
		form.Set("client_id", id)
	}
	if !inHeader && secret != "" {
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, c.Fail(engine.Permanent, "bad_request", "check token_url", c.Scrub(err), 0)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.UserAgent)
	if inHeader { // encoded: RFC 6749, section 2.3.1
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	if err := c.Sendable(req); err != nil {
		return grant{}, err
	}
	resp, err := c.Tokens.Do(req)
	if err != nil {
		return grant{}, c.Unreachable(at.Host, at.setting, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenBody))
	if err != nil {
		return grant{}, c.Unreachable(at.Host, at.setting, err)
	}
	return c.granted(at, resp, body)
}

// maxTokenBody is more than any answer with a token has.
const maxTokenBody = 1 << 20

// granted reads the answer of a token endpoint (RFC 6749, section 5).
func (c *credentials) granted(at *endpoint, resp *http.Response, body []byte) (g grant, err error) {
	who := "the token endpoint " + at.Host
	if resp.StatusCode < 200 || resp.StatusCode > 299 || answer.IsHTML(resp.Header.Get("Content-Type"), body) {
		return g, c.noToken(resp, body, at.setting, c.Says(who, resp, body))
	}
	field := func(name string) string {
		text, err := scan.TextAt(body, "$."+name)
		if err != nil { // some answer as they were asked
			form, _ := url.ParseQuery(strings.TrimSpace(string(body)))
			text = form.Get(name)
		}
		return text
	}
	g.value, g.refresh, g.life = field("access_token"), field("refresh_token"), lifeOf(field("expires_in"))
	if g.value != "" {
		return g, nil
	}
	// The body may have a token where none is looked for: of that nothing is said.
	if text := field("error"); text != "" {
		cause := fmt.Errorf("%s answered %d: %s", who, resp.StatusCode, c.Foreign(strings.TrimSpace(text+" "+field("error_description")), 300))
		return g, c.noToken(resp, body, at.setting, cause)
	}
	return g, c.Fail(engine.Transient, "unexpected_answer", "check "+at.setting, errors.New(who+" answered without an access_token"), 0)
}

// lifeOf reads for how many seconds a token is good: a number, or its text, with a
// fraction at some. What no token lasts for, such as a date, is 0.
func lifeOf(text string) time.Duration {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(seconds > 0 && seconds < 1e8) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// noToken classifies an answer that is no token. setting is where the address that
// gave it is written.
func (c *credentials) noToken(resp *http.Response, body []byte, setting string, cause error) error {
	code := resp.StatusCode
	switch {
	case answer.TooOften(resp, body):
		return c.Throttled(resp, cause)
	case code == http.StatusRequestTimeout || code >= 500:
		return c.Fail(engine.Transient, "provider_error", "", cause, 0)
	case answer.IsHTML(resp.Header.Get("Content-Type"), body):
		return c.Fail(engine.Transient, "not_json", "check "+setting+": a sign-in, maintenance or firewall page answers, which says nothing about the credentials", cause, 0)
	case code >= 300 && code < 400:
		return c.Fail(engine.Permanent, "foreign_link", "nothing was sent there; check "+setting, fmt.Errorf("%w: it leads to %s", cause, c.Foreign(cmp.Or(resp.Header.Get("Location"), "nowhere"), 200)), 0)
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed, code == http.StatusGone:
		return c.Fail(engine.Permanent, "not_found", "check "+setting, cause, 0)
	}
	return c.WrongCredentials(cause)
}
