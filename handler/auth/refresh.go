package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// A provider may replace the refresh token each time it is used, and then the one
// that a person gave is worth nothing. So the newest is kept in the store, sealed
// with the connection's own credentials: whoever reads the store without them has
// nothing.

// Keeper stores one credential of a connection.
type Keeper interface {
	// Load returns what was saved last; engine.ErrNotFound when nothing was.
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, sealed []byte) error
}

// refreshed asks for a token with the newest refresh token.
func (o *oauth) refreshed(ctx context.Context) (token, error) {
	if o.refresh == "" {
		if err := o.loadRefresh(ctx); err != nil {
			return token{}, err
		}
	}
	g, err := o.trade(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {o.refresh}})
	if err != nil {
		o.refresh = "" // another process may have a newer one
		return token{}, err
	}
	if g.refresh != "" && g.refresh != o.refresh {
		// Saved before it is used: the old one may be worth nothing already.
		if err := o.saveRefresh(ctx, g.refresh); err != nil {
			return token{}, err
		}
	}
	return g.token, nil
}

// trade asks for a token with what a person's consent has led to.
func (c *credentials) trade(ctx context.Context, form url.Values) (grant, error) {
	endpoint, err := c.endpoint()
	if err != nil {
		return grant{}, err
	}
	return c.askToken(ctx, endpoint, c.setting(c.decl.ClientID), c.setting(c.decl.ClientSecret), form)
}

func (o *oauth) loadRefresh(ctx context.Context) error {
	given := o.setting(o.decl.RefreshToken)
	if o.Keep != nil {
		sealed, err := o.Keep.Load(ctx)
		switch {
		case errors.Is(err, engine.ErrNotFound):
		case err != nil:
			return o.Fail(engine.Transient, "store", "", fmt.Errorf("read the kept refresh token: %w", err), 0)
		default:
			seal, err := o.sealer()
			if err != nil {
				return err
			}
			// One that cannot be opened was sealed with other credentials: a person
			// has given new ones.
			if kept, err := seal.open(sealed); err == nil {
				given = kept
			}
		}
	}
	if given == "" {
		return o.Fail(engine.Auth, "not_logged_in", "run sluice login, once", errors.New("nobody has logged in"), 0)
	}
	o.refresh = given
	o.Secrets.Set("refresh_token", given)
	return nil
}

func (o *oauth) saveRefresh(ctx context.Context, value string) error {
	o.refresh = value
	o.Secrets.Set("refresh_token", value)
	if o.Keep == nil {
		return nil
	}
	seal, err := o.sealer()
	if err == nil {
		err = o.Keep.Save(ctx, seal.seal(value))
	}
	if err != nil {
		return o.Fail(engine.Transient, "store", "", fmt.Errorf("keep the new refresh token: %w", err), 0)
	}
	return nil
}

func (c *credentials) sealer() (*sealer, error) {
	a := c.decl
	return newSealer(c.setting(a.ClientSecret)+"\x00"+c.setting(a.RefreshToken), c.setting(a.ClientID), "sluice refresh token")
}

// Login is one attempt to have a person agree, in a browser, that Sluice may read.
type Login struct {
	URL   string // the provider's page
	State string // what comes back with the answer; without it the answer is somebody else's

	c                  *credentials
	redirect, verifier string // the verifier is a secret of this login (RFC 7636)
}

// BeginLogin prepares a login after which the browser comes back to redirect.
func BeginLogin(decl *spec.Auth, o Owner, redirect string) *Login {
	c, a := &credentials{o, decl}, decl
	l := &Login{c: c, redirect: redirect, State: oauth2.GenerateVerifier(), verifier: oauth2.GenerateVerifier()}
	config := oauth2.Config{ClientID: c.setting(a.ClientID), RedirectURL: redirect, Scopes: []string{c.setting(a.Scope)}, Endpoint: oauth2.Endpoint{AuthURL: c.setting(a.AuthorizeURL)}}
	opts := []oauth2.AuthCodeOption{oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(l.verifier)}
	for k, v := range a.Params {
		opts = append(opts, oauth2.SetAuthURLParam(k, c.setting(v)))
	}
	l.URL = config.AuthCodeURL(l.State, opts...)
	return l
}

// Finish trades the code that the page has answered for a refresh token, and keeps
// that.
func (l *Login) Finish(ctx context.Context, code string) error {
	c := l.c
	g, err := c.trade(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {l.redirect}, "code_verifier": {l.verifier}})
	if err != nil {
		return err
	}
	if g.refresh == "" {
		return c.Fail(engine.Auth, "wrong_credentials", "the app has to be allowed offline access", errors.New("the provider gave no refresh token"), 0)
	}
	return (&oauth{credentials: c}).saveRefresh(ctx, g.refresh)
}
