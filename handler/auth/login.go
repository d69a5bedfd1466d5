package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// login makes the call that answers with a token or a session.
func (c *credentials) login(ctx context.Context) (token, error) {
	d := c.decl.Login
	resp, body, err := c.Call(ctx, &d.Request)
	if err != nil {
		return token{}, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return token{}, c.noToken(resp, body, c.HostSetting, c.Says("the login", resp, body))
	}
	t, err := pickToken(d, resp, body)
	if err != nil { // the body may hold a part of a credential: say nothing of it
		return token{}, c.noToken(resp, body, c.HostSetting, err)
	}
	return t, nil
}

// pickToken takes the token out of the answer to a login.
func pickToken(d *spec.Login, resp *http.Response, body []byte) (t token, err error) {
	where := d.Token
	switch {
	case d.TokenHeader != "":
		where, t.value = "header "+d.TokenHeader, resp.Header.Get(d.TokenHeader)
	case d.TokenCookie != "":
		where = "cookie " + d.TokenCookie
		t.value = cookieIn(resp.Header, d.TokenCookie)
	default:
		if t.value, err = scan.TextAt(body, d.Token); err != nil {
			return t, err
		}
	}
	if t.value == "" {
		return t, errors.New("the answer to the login has no " + where)
	}
	if d.Expires != "" {
		text, err := scan.TextAt(body, d.Expires)
		if err != nil {
			return t, err
		}
		t.life = lifeOf(text)
	}
	return t, nil
}
