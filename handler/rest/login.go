package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// login makes the call that answers with a token or a session.
func (r *Connection) login(ctx context.Context) (token, error) {
	d := r.c.Auth.Login
	src := &Source{Connection: r, s: &spec.Stream{}}
	l := src.single(&d.Request, nil)
	req, err := l.request(ctx, &scope{settings: r.opt.Settings}, "")
	if err != nil {
		return token{}, r.fail(engine.Permanent, "bad_request", "", err, 0)
	}
	if err := r.sendable(req); err != nil {
		return token{}, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return token{}, r.networkError(err)
	}
	defer resp.Body.Close()
	body, err := l.read(ctx, resp)
	if err != nil {
		return token{}, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return token{}, r.noToken(resp, body, r.errs.HostSetting, r.errs.Says("the login", resp, body))
	}
	t, err := pickToken(d, resp, body)
	if err != nil { // the body may hold a part of a credential: say nothing of it
		return token{}, r.noToken(resp, body, r.errs.HostSetting, err)
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
		if t.value, err = textAt(d.Token, body); err != nil {
			return t, err
		}
	}
	if t.value == "" {
		return t, errors.New("the answer to the login has no " + where)
	}
	if d.Expires != "" {
		text, err := textAt(d.Expires, body)
		if err != nil {
			return t, err
		}
		t.life = lifeOf(text)
	}
	return t, nil
}
