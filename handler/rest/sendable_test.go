package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestWhatCannotBeSentIsNamed with its setting, before anything is sent.
func TestWhatCannotBeSentIsNamed(t *testing.T) {
	key := `{type: api_key, header: X-Key, value: "{key}"}`
	for _, x := range []struct{ auth, value, says string }{
		{key, "tok-1234567890\n", "the setting key (ACME_KEY) has a line end"},
		{key, "tok-1234\r\n567890", "the setting key (ACME_KEY) has a line end"},
		{key, "tok\x00-1234567890", "the setting key (ACME_KEY) has the control character 0x00 (byte 4)"},
		{`{type: bearer, value: "{key}"}`, "tok-\x7f1234567890", "0x7f"},
		{`{type: signature, sign: {algorithm: hmac-sha1, key: "{key}", text: "x", headers: {X-User: "{key}", X-Sig: "{sign.result}"}}}`, "tok\n1234567890", "the setting key"},
		{`{type: api_key, cookie: sid, value: "{key}"}`, "tok\n1234567890", "the setting key (ACME_KEY)"},
		{`{type: api_key, cookie: sid, value: "{key}"}`, "tok;1234567890", "semicolon"},
		{`{type: api_key, cookie: sid, value: "{key}"}`, " tok1234567890", "blank"},
		{`{type: login, login: {request: {path: /login, headers: {X-Key: "{key}"}}, token: $.t}}`, "tok\n1234567890", "the setting key"},
		{`{type: oauth2, token_url: /token, client_id: "{host}", client_secret: "{key}"}`, "tok\n1234567890", ""},
	} {
		asked := 0
		s := authSource(t, x.auth, func(w http.ResponseWriter, r *http.Request) {
			if asked++; r.URL.Path == "/token" { // a form can have anything
				fmt.Fprint(w, `{"access_token":"at-12345"}`)
				return
			}
			fmt.Fprint(w, `[]`)
		}, func(o *Options) { o.Settings["key"] = x.value })
		_, err := s.Fetch(t.Context(), window, "")
		if x.says == "" {
			if err != nil || asked != 2 {
				t.Errorf("%s: %v", x.auth, err)
			}
			continue
		}
		e, ok := err.(*engine.Error)
		if !ok || e.Kind != engine.Auth || !strings.Contains(err.Error(), x.says) || asked > 0 || strings.Contains(err.Error(), "567890") || strings.Contains(err.Error(), "network") {
			t.Errorf("%s with %q: %v, asked %d times", x.auth, x.value, err, asked)
		}
	}
}

// TestACookieIsSentAsItIs, be it a setting's or a session's.
func TestACookieIsSentAsItIs(t *testing.T) {
	const odd = `a"b\c d,e=ü{}`
	for auth, header := range map[string]string{
		`{type: api_key, cookie: sid, value: "{key}"}`:                                           "sid=" + odd,
		`{type: login, cookie: sid, login: {request: {path: /login}, token_cookie: JSESSIONID}}`: "sid=" + odd,
	} {
		asked := 0
		s := authSource(t, auth, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Set-Cookie"] = []string{"JSESSIONID=old", "JSESSIONID=" + odd + "; Path=/; HttpOnly", "other=1"}
			if r.URL.Path != "/login" {
				if asked++; r.Header.Get("Cookie") != header {
					t.Errorf("%s: Cookie: %s", auth, r.Header.Get("Cookie"))
				}
			}
			fmt.Fprint(w, `[]`)
		}, func(o *Options) { o.Settings["key"] = odd })
		fetchOK(t, s)
		if asked != 1 {
			t.Errorf("%s: asked %d times", auth, asked)
		}
	}
}
