package auth

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// AzureToken gives a token of Microsoft Entra ID for Sluice's own identity.
type AzureToken func(ctx context.Context, scope string) (token string, expires time.Time, err error)

// oauth asks for OAuth 2.0 tokens (RFC 6749).
type oauth struct {
	*credentials
	refresh string // the refresh token that is valid now
}

// token asks for a token as the connector's grant says.
func (o *oauth) token(ctx context.Context) (token, error) {
	a := o.decl
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
	a := o.decl
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
	if o.decl.CredentialsIn == "assertion" {
		return ""
	}
	return o.setting(o.decl.ClientSecret)
}

// authority is where Microsoft Entra ID issues tokens for what a scope is of: clouds of
// governments have their own (learn.microsoft.com, "National clouds").
func authority(scope string) string {
	host := ""
	if u, err := url.Parse(scope); err == nil {
		host = u.Hostname()
	}
	switch {
	case strings.HasSuffix(host, ".us"), strings.HasSuffix(host, ".mil"):
		return "https://login.microsoftonline.us/"
	case strings.HasSuffix(host, ".cn"):
		return "https://login.chinacloudapi.cn/"
	}
	return "https://login.microsoftonline.com/"
}

// azureToken asks Microsoft Entra ID for a token: with a secret of the app that
// the connection names, with Sluice's own identity speaking for that app, or with
// that identity itself.
func (c *credentials) azureToken(ctx context.Context) (token, error) {
	a := c.decl
	id, secret := c.setting(a.ClientID), c.setting(a.ClientSecret)
	if id == "" {
		return c.identity(ctx, c.setting(a.Scope))
	}
	tenant := c.setting(a.Tenant)
	if tenant == "" {
		return token{}, c.Fail(engine.Auth, "wrong_credentials", "give the tenant's id to the connection", errors.New("a client without a tenant"), 0)
	}
	u, err := url.Parse(authority(c.setting(a.Scope)) + url.PathEscape(tenant) + "/oauth2/v2.0/token")
	if err != nil {
		return token{}, err
	}
	endpoint := &endpoint{u, "the network: Microsoft Entra ID issues tokens there"}
	params := url.Values{}
	if secret == "" {
		own, err := c.identity(ctx, "api://AzureADTokenExchange/.default")
		if err != nil {
			return token{}, err
		}
		params.Set("client_assertion_type", assertionType)
		params.Set("client_assertion", own.value)
	}
	return c.ask(ctx, endpoint, id, secret, c.setting(a.Scope), params)
}

// identity asks for a token of Sluice's own identity.
func (c *credentials) identity(ctx context.Context, scope string) (token, error) {
	hint := "give client_id and client_secret to the connection, or run where there is a managed identity"
	if c.Azure == nil {
		return token{}, c.Fail(engine.Auth, "wrong_credentials", hint, errors.New("there is no managed identity here"), 0)
	}
	value, expires, err := c.Azure(ctx, scope)
	if err != nil {
		return token{}, c.Fail(engine.Auth, "wrong_credentials", hint, errors.New(c.Foreign(err.Error(), 300)), 0)
	}
	return token{value, expires.Sub(c.Now())}, nil
}
