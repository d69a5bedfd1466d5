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
	"github.com/sluice-connectors/sluice/handler/netguard"
)

// AzureToken gives a token of Microsoft Entra ID for Sluice's own identity.
type AzureToken func(ctx context.Context, scope string) (token string, expires time.Time, err error)

// oauth asks for OAuth 2.0 tokens (RFC 6749).
type oauth struct {
	*Connection
	refresh string // the refresh token that is valid now
}

// token asks for a token as the connector's grant says.
func (o *oauth) token(ctx context.Context) (token, error) {
	a := &o.c.Auth
	switch a.Grant {
	case "refresh_token", "authorization_code":
		return o.refreshed(ctx)
	}
	params, err := o.params()
	if err != nil {
		return token{}, err
	}
	switch a.Grant {
	case "password":
		params.Set("grant_type", "password")
		params.Set("username", o.setting(a.Username))
		params.Set("password", o.setting(a.Password))
	case "jwt_bearer":
		statement, err := o.statement()
		if err != nil {
			return token{}, err
		}
		params.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		params.Set("assertion", statement)
	}
	endpoint, err := o.endpoint(a.TokenURL)
	if err != nil {
		return token{}, err
	}
	return o.ask(ctx, endpoint, o.setting(a.ClientID), o.clientSecret(), o.setting(a.Scope), params)
}

// params are the parameters of each request for a token.
func (o *oauth) params() (url.Values, error) {
	a := &o.c.Auth
	params := url.Values{}
	for _, k := range slices.Sorted(maps.Keys(a.Params)) {
		params.Set(k, o.setting(a.Params[k]))
	}
	if a.CredentialsIn == "assertion" {
		statement, err := o.statement()
		if err != nil {
			return nil, err
		}
		params.Set("client_assertion_type", assertionType)
		params.Set("client_assertion", statement)
	}
	return params, nil
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func (o *oauth) clientSecret() string {
	if o.c.Auth.CredentialsIn == "assertion" {
		return ""
	}
	return o.setting(o.c.Auth.ClientSecret)
}

// ask makes a request for a token that client credentials allow.
func (r *Connection) ask(ctx context.Context, endpoint *url.URL, id, secret, scope string, params url.Values) (token, error) {
	config := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: endpoint.String(), Scopes: strings.Fields(scope), EndpointParams: params, AuthStyle: r.authStyle()}
	t, err := config.Token(r.tokenContext(ctx))
	if err != nil {
		return token{}, r.tokenError(err)
	}
	return tokenOf(t), nil
}

func tokenOf(t *oauth2.Token) token {
	return token{t.AccessToken, time.Duration(t.ExpiresIn) * time.Second}
}

func (r *Connection) authStyle() oauth2.AuthStyle {
	if r.c.Auth.CredentialsIn == "header" {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// tokenContext has requests for tokens sent by our transport, and never sent on.
func (r *Connection) tokenContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: time.Minute, Transport: r.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}})
}

// endpoint is where tokens are issued: below base_url, or at an address of its own.
func (r *Connection) endpoint(text string) (*url.URL, error) {
	text = r.setting(text)
	if strings.HasPrefix(text, "/") {
		text = r.base.String() + text
	}
	u, err := netguard.ParseBase(text)
	if err != nil {
		return nil, r.fail(engine.Permanent, "bad_request", "check token_url", err, 0)
	}
	return u, nil
}

// authority is where Microsoft Entra ID issues tokens.
const authority = "https://login.microsoftonline.com/"

// azureToken asks Microsoft Entra ID for a token: with a secret of the app that
// the connection names, with Sluice's own identity speaking for that app, or with
// that identity itself.
func (r *Connection) azureToken(ctx context.Context) (token, error) {
	a := &r.c.Auth
	id, secret := r.setting(a.ClientID), r.setting(a.ClientSecret)
	if id == "" {
		return r.identity(ctx, r.setting(a.Scope))
	}
	tenant := r.setting(a.Tenant)
	if tenant == "" {
		return token{}, r.fail(engine.Auth, "wrong_credentials", "give the tenant's id to the connection", errors.New("a client without a tenant"), 0)
	}
	endpoint, err := url.Parse(authority + url.PathEscape(tenant) + "/oauth2/v2.0/token")
	if err != nil {
		return token{}, err
	}
	params := url.Values{}
	if secret == "" {
		own, err := r.identity(ctx, "api://AzureADTokenExchange/.default")
		if err != nil {
			return token{}, err
		}
		params.Set("client_assertion_type", assertionType)
		params.Set("client_assertion", own.value)
	}
	return r.ask(ctx, endpoint, id, secret, r.setting(a.Scope), params)
}

// identity asks for a token of Sluice's own identity.
func (r *Connection) identity(ctx context.Context, scope string) (token, error) {
	hint := "give client_id and client_secret to the connection, or run where there is a managed identity"
	if r.opt.Azure == nil {
		return token{}, r.fail(engine.Auth, "wrong_credentials", hint, errors.New("there is no managed identity here"), 0)
	}
	value, expires, err := r.opt.Azure(ctx, scope)
	if err != nil {
		return token{}, r.fail(engine.Auth, "wrong_credentials", hint, errors.New(r.foreign(err.Error(), 300)), 0)
	}
	return token{value, expires.Sub(r.opt.Now())}, nil
}

// tokenError classifies why there is no token.
func (r *Connection) tokenError(err error) error {
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
	return r.noToken(re.Response, cause)
}

// noToken classifies an answer that is no token.
func (r *Connection) noToken(resp *http.Response, cause error) error {
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests:
		return r.fail(engine.Throttled, "throttled", "", cause, retryAfter(resp.Header, r.opt.Now()))
	case code >= 500:
		return r.fail(engine.Transient, "provider_error", "", cause, 0)
	}
	return r.fail(engine.Auth, "wrong_credentials", "check "+r.secretSettings()+": it may be wrong, expired or revoked", cause, 0)
}
