package rest

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
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
	endpoint, err := o.endpoint()
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
	u, err := url.Parse(authority + url.PathEscape(tenant) + "/oauth2/v2.0/token")
	if err != nil {
		return token{}, err
	}
	endpoint := &endpoint{u, "the network: Microsoft Entra ID issues tokens there"}
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
