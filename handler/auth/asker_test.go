package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const secret = "key-that-nobody-may-see"

// declared is a connector with this auth.
func declared(t *testing.T, auth string) *spec.Connector {
	t.Helper()
	c, err := spec.Parse("acme.yaml", []byte(`
name: acme
title: Acme
publisher: Acme
support: {tier: community}
description: A test.
settings:
  - {name: host, required: true}
  - {name: key, secret: true, required: true}
base_url: https://{host}
auth: `+auth+`
streams:
  - name: s
    request: {path: /data, query: {from: "{window.from:unix}"}}
    records: $.data
    position: {type: window, time: t, order: none, granularity: 1s, bounds: "[)", lag: 0s, overlap: 0s, retention: 30d}
    table: Acme_CL
tables:
  - name: Acme_CL
    columns: [{name: TimeGenerated, type: datetime, kql: todatetime(t)}]
`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asker asks a provider with credentials, as a connection does.
type asker struct {
	Owner
	auth   Authenticator
	client *http.Client
	query  string
}

// newAsker asks h, whatever https host the request is for.
func newAsker(t *testing.T, auth string, h http.HandlerFunc, change func(*Owner)) *asker {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Header.Set("X-Host", req.URL.Host)
		req.URL.Scheme, req.URL.Host = u.Scheme, u.Host
		return http.DefaultTransport.RoundTrip(req)
	}), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c := declared(t, auth)
	o := Owner{Errors: &answer.Errors{Connector: c, Base: u, HostSetting: "base_url", Now: func() time.Time { return noon }},
		Settings: map[string]string{"host": "me", "key": secret}, Tokens: client}
	if change != nil {
		change(&o)
	}
	if o.Secrets, err = NewSecrets(c, o.Settings); err != nil {
		t.Fatal(err)
	}
	o.Cover = o.Secrets
	return &asker{Owner: o, auth: New(&c.Auth, o), client: client}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// get makes a request, and once more when the credentials are worth it.
func (a *asker) get(t *testing.T) error {
	t.Helper()
	for tries := 0; ; tries++ {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.Base.String()+"/data", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.RawQuery = a.query
		if err := a.auth.Apply(t.Context(), req); err != nil {
			return err
		}
		if err := a.Sendable(req); err != nil {
			return err
		}
		resp, err := a.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		switch code := resp.StatusCode; {
		case (code == http.StatusUnauthorized || code == http.StatusForbidden) && a.auth.Refused(resp) && tries == 0:
			continue
		case code != http.StatusOK:
			return a.Status(resp, body, false)
		}
		return nil
	}
}

func getOK(t *testing.T, a *asker) {
	t.Helper()
	if err := a.get(t); err != nil {
		t.Error(err)
	}
}

func reason(err error) string {
	if e := new(engine.Error); errors.As(err, &e) {
		return e.Reason
	}
	return fmt.Sprint(err)
}

// TestALoginsTokenIsWhereTheConnectorSays, and nothing else of the answer is told.
func TestALoginsTokenIsWhereTheConnectorSays(t *testing.T) {
	for declared, want := range map[string]token{
		`token: $.data.token, expires: $.ttl`: {"in-the-body", time.Hour},
		`token: $.data.token`:                 {"in-the-body", 0},
		`token_header: X-Token`:               {"in-a-header", 0},
		`token_cookie: sid`:                   {`"in a cookie`, 0},
		`token: $.elsewhere`:                  {},
	} {
		a := newAsker(t, `{type: login, login: {request: {path: /login, body: {pw: "{key}"}}, `+declared+`}}`, nil, nil)
		a.auth.(*tokenAuth).c.Call = func(_ context.Context, req *spec.Request) (*http.Response, []byte, error) {
			if req.Path != "/login" {
				t.Errorf("called: %s", req.Path)
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Token": {"in-a-header"}, "Set-Cookie": {"sid=old", `sid="in a cookie; Path=/`}}},
				[]byte(`{"data":{"token":"in-the-body"},"ttl":"3600","part":"` + secret + `"}`), nil
		}
		got, err := a.auth.(*tokenAuth).issue(t.Context())
		if got != want || (err == nil) != (want.value != "") || err != nil && (reason(err) != "wrong_credentials" || strings.Contains(err.Error(), "part")) {
			t.Errorf("%s: %+v, %v", declared, got, err)
		}
	}
}
