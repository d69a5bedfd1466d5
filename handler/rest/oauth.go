package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// accessToken is an OAuth 2.0 token (RFC 6749) that is used until shortly before
// it ends.
type accessToken struct {
	value string
	until time.Time
}

const (
	// tokenMargin is how long before its end a token is replaced.
	tokenMargin = time.Minute
	// tokenLife is how long a token is used whose issuer does not say.
	tokenLife = 10 * time.Minute
	// tokenName is what marks the token in what is stored.
	tokenName = "access_token"
)

// bearer returns a token that is valid now.
func (r *Source) bearer(ctx context.Context) (string, error) {
	if now := r.opt.Now(); r.token.value != "" && now.Before(r.token.until) {
		return r.token.value, nil
	}
	t, err := r.requestToken(ctx)
	if err != nil {
		return "", r.tokenError(err)
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	if life <= 0 {
		life = tokenLife
	}
	r.token = accessToken{t.AccessToken, r.opt.Now().Add(max(life-tokenMargin, life/2))}
	r.secrets.set(tokenName, t.AccessToken)
	return t.AccessToken, nil
}

// forgetToken drops the token, and reports whether there was one: the provider
// has refused it, and may accept a new one.
func (r *Source) forgetToken() bool {
	had := r.token.value != ""
	r.token = accessToken{}
	return had
}

func (r *Source) requestToken(ctx context.Context) (*oauth2.Token, error) {
	a := &r.c.Auth
	set := func(s string) string { return expand(s, r.opt.Settings, nil) }
	endpoint, err := r.tokenURL()
	if err != nil {
		return nil, err
	}
	style := oauth2.AuthStyleInParams
	if a.CredentialsIn == "header" {
		style = oauth2.AuthStyleInHeader
	}
	params := url.Values{}
	for _, k := range slices.Sorted(maps.Keys(a.Params)) {
		params.Set(k, set(a.Params[k]))
	}
	if a.Grant == "password" {
		params.Set("grant_type", "password")
		params.Set("username", set(a.Username))
		params.Set("password", set(a.Password))
	}
	config := clientcredentials.Config{ClientID: set(a.ClientID), ClientSecret: set(a.ClientSecret), TokenURL: endpoint.String(),
		Scopes: strings.Fields(set(a.Scope)), EndpointParams: params, AuthStyle: style}
	client := &http.Client{Timeout: time.Minute, Transport: r.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // credentials are not sent on
	}}
	return config.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
}

// tokenURL is where tokens are issued: below base_url, or at an address of its own.
func (r *Source) tokenURL() (*url.URL, error) {
	text := expand(r.c.Auth.TokenURL, r.opt.Settings, nil)
	if strings.HasPrefix(text, "/") {
		text = r.base.String() + text
	}
	return ParseBase(text)
}

// tokenError classifies why there is no token.
func (r *Source) tokenError(err error) error {
	var re *oauth2.RetrieveError
	var ue *url.Error
	switch {
	case errors.As(err, &re):
	case errors.As(err, &ue):
		return r.networkError(err)
	default:
		return r.fail(engine.Transient, "unexpected_answer", "check token_url", errors.New(r.foreign(err.Error(), 300)), 0)
	}
	code := re.Response.StatusCode
	cause := fmt.Errorf("the token endpoint answered %d %s", code, http.StatusText(code))
	if text := re.ErrorCode + " " + re.ErrorDescription; text != " " {
		cause = fmt.Errorf("%w: %s", cause, r.foreign(strings.TrimSpace(text), 300))
	}
	switch {
	case code == http.StatusTooManyRequests:
		return r.fail(engine.Throttled, "throttled", "", cause, retryAfter(re.Response.Header, r.opt.Now()))
	case code >= 500:
		return r.fail(engine.Transient, "provider_error", "", cause, 0)
	}
	return r.fail(engine.Auth, "wrong_credentials", "check "+r.secretSettings()+": it may be wrong, expired or revoked", cause, 0)
}
