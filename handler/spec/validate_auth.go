package spec

import (
	"maps"
	"slices"
	"strings"
	"time"
)

func (a *Auth) setDefaults() {
	placed := a.Header != "" || a.Query != "" || a.Cookie != "" || a.Body != ""
	if (a.Type == "api_key" || a.tokens()) && !placed {
		a.Header = "Authorization"
		if a.Prefix == "" && a.Type != "api_key" {
			a.Prefix = "Bearer"
		}
	}
	if a.tokens() && a.Lifetime == 0 {
		a.Lifetime = Duration(10 * time.Minute)
	}
	if a.asserts() && a.Algorithm == "" {
		a.Algorithm = "RS256"
	}
	if a.Login != nil && a.Login.Request.Method == "" {
		a.Login.Request.Method = "POST"
	}
	if s := a.Sign; s != nil {
		s.Date, s.Encoding, s.BodyHash = or(s.Date, "rfc1123"), or(s.Encoding, "hex"), or(s.BodyHash, "sha256")
	}
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// authKeys are the keys that each type of auth needs, and may have.
var authKeys = map[string]keySet{
	"none":    {},
	"api_key": {needs: []string{"value"}, may: []string{"header", "query", "cookie", "body", "prefix"}},
	"bearer":  {needs: []string{"value"}},
	"basic":   {needs: []string{"username", "password"}},
	"digest":  {needs: []string{"username", "password"}},
	"oauth2": {needs: []string{"token_url"}, may: []string{"client_id", "client_secret", "grant", "credentials_in", "scope", "params", "username", "password", "authorize_url", "refresh_token",
		"private_key", "key_id", "algorithm", "claims", "header", "query", "prefix", "lifetime"}},
	"azure":     {needs: []string{"scope"}, may: []string{"tenant", "client_id", "client_secret", "header", "prefix", "lifetime"}},
	"jwt":       {needs: []string{"private_key", "claims", "algorithm"}, may: []string{"key_id", "header", "prefix", "lifetime"}},
	"login":     {needs: []string{"login"}, may: []string{"header", "query", "cookie", "prefix", "lifetime"}},
	"signature": {needs: []string{"sign"}, may: []string{"username"}},
}

// grantKeys are the keys that each grant of oauth2 needs besides.
var grantKeys = map[string][]string{
	"client_credentials": {"client_id"},
	"password":           {"username", "password"},
	"refresh_token":      {"client_id", "refresh_token"},
	"authorization_code": {"client_id", "authorize_url"},
	"jwt_bearer":         {"private_key", "claims"},
}

// auth checks what stands at a place of the file: auth, or that of a step.
func (v *validator) auth(a *Auth, at string) {
	texts := map[string]string{"header": a.Header, "query": a.Query, "cookie": a.Cookie, "body": a.Body, "prefix": a.Prefix, "value": a.Value, "username": a.Username, "password": a.Password,
		"token_url": a.TokenURL, "authorize_url": a.AuthorizeURL, "refresh_token": a.RefreshToken, "grant": a.Grant, "client_id": a.ClientID, "client_secret": a.ClientSecret,
		"credentials_in": a.CredentialsIn, "scope": a.Scope, "tenant": a.Tenant, "private_key": a.PrivateKey, "key_id": a.KeyID, "algorithm": a.Algorithm}
	given := map[string]bool{"login": a.Login != nil, "sign": a.Sign != nil, "lifetime": a.Lifetime != 0, "params": len(a.Params) > 0, "claims": len(a.Claims) > 0}
	for group, params := range map[string]map[string]string{"params": a.Params, "claims": a.Claims} {
		for k, val := range params {
			texts[group+"."+k] = val
		}
	}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		given[key] = texts[key] != "" && !strings.Contains(key, ".")
		v.placeholders(at+"."+key, texts[key], nil)
	}
	v.keys(at, "auth of type "+a.Type, given, authKeys[a.Type])
	v.authPlaces(a, at)
	v.authGrant(a, at, given)
	v.authTexts(a, at)
	v.login(a.Login, at+".login")
	v.sign(a, at+".sign")
}

// authPlaces checks that a key or token goes to one place.
func (v *validator) authPlaces(a *Auth, at string) {
	places := 0
	for _, p := range []string{a.Header, a.Query, a.Cookie, a.Body} {
		if p != "" {
			places++
		}
	}
	if places > 1 {
		v.errorf(at, "the key goes to one place: header, query, cookie or body")
	}
	v.header(at+".header", a.Header)
	v.path(at+".body", a.Body, true)
	if a.Cookie != "" && !httpToken.MatchString(a.Cookie) {
		v.errorf(at+".cookie", "%q is no name of a cookie", a.Cookie)
	}
	for key, text := range map[string]string{"value": a.Value, "prefix": a.Prefix} {
		switch text = static(text); {
		case a.Cookie != "" && !cookieText.MatchString(text):
			v.errorf(at+"."+key, "a cookie cannot have %q: blanks, commas, semicolons, quotes and \\ are not its text", text)
		case control.MatchString(text):
			v.errorf(at+"."+key, "%s has a line end or another control character", key)
		}
	}
	if (a.Certificate == "") != (a.CertKey == "") {
		v.errorf(at, "a client certificate needs both: certificate and certificate_key")
	}
}

func (v *validator) authGrant(a *Auth, at string, given map[string]bool) {
	if a.Type != "oauth2" {
		return
	}
	grant := or(a.Grant, "client_credentials")
	for _, key := range grantKeys[grant] {
		if !given[key] {
			v.errorf(at, "grant: %s needs %s", grant, key)
		}
	}
	for _, key := range []string{"username", "password", "authorize_url", "refresh_token"} {
		if given[key] && !slices.Contains(grantKeys[grant], key) {
			v.errorf(at+"."+key, "grant: %s has no %s", grant, key)
		}
	}
	switch {
	case a.CredentialsIn == "assertion" && a.PrivateKey == "":
		v.errorf(at, "credentials_in: assertion needs private_key")
	case !a.asserts() && (a.PrivateKey != "" || a.Claims != nil || a.KeyID != "" || a.Algorithm != ""):
		v.errorf(at, "private_key, key_id, algorithm and claims are for grant: jwt_bearer and credentials_in: assertion")
	case grant == "client_credentials" && a.CredentialsIn != "assertion" && a.ClientSecret == "":
		v.errorf(at, "grant: client_credentials needs client_secret")
	}
}

// authTexts checks addresses, and that credentials are secret.
func (v *validator) authTexts(a *Auth, at string) {
	for key, u := range map[string]string{"token_url": a.TokenURL, "authorize_url": a.AuthorizeURL} {
		v.closed(at+"."+key, u)
		switch {
		case u == "" || strings.HasPrefix(u, "/"):
		case strings.HasPrefix(u, "https://"):
			v.address(at+"."+key, u)
		default:
			v.errorf(at+"."+key, "%s has to begin with https://, or with / for a path below base_url", key)
		}
	}
	credentials := a.Value + a.Password + a.ClientSecret + a.RefreshToken + a.PrivateKey + a.CertKey
	if a.Sign != nil {
		credentials += a.Sign.Key
	}
	for _, m := range Placeholder.FindAllStringSubmatch(credentials, -1) {
		if s := v.c.Setting(m[1]); s != nil && !s.Secret {
			v.errorf(at, "the setting %s is a credential: mark it secret: true", m[1])
		}
	}
}

func (v *validator) login(l *Login, at string) {
	if l == nil {
		return
	}
	v.request(&l.Request, at+".request", nil)
	given := 0
	for _, t := range []string{l.Token, l.TokenHeader, l.TokenCookie} {
		if t != "" {
			given++
		}
	}
	if given != 1 {
		v.errorf(at, "say where the token is: token: a path such as $.token, token_header or token_cookie")
	}
	v.path(at+".token", l.Token, true)
	v.path(at+".expires", l.Expires, true)
	v.header(at+".token_header", l.TokenHeader)
	if l.TokenCookie != "" && !httpToken.MatchString(l.TokenCookie) {
		v.errorf(at+".token_cookie", "%q is no name of a cookie", l.TokenCookie)
	}
}

var signNames = []string{"sign.date", "sign.method", "sign.scheme", "sign.host", "sign.path", "sign.query", "sign.target", "sign.body_hash", "sign.nonce"}

func (v *validator) sign(a *Auth, at string) {
	s := a.Sign
	if s == nil {
		return
	}
	v.placeholders(at+".key", s.Key, nil)
	v.placeholders(at+".derive", s.Derive, signNames)
	v.placeholders(at+".text", s.Text, signNames)
	sent := a.Username != ""
	v.headers(at+".headers", s.Headers, append(slices.Clone(signNames), "sign.result"))
	for _, val := range s.Headers {
		sent = sent || strings.Contains(val, "{sign.result}")
	}
	if !sent {
		v.errorf(at, "say where the signature goes: headers with {sign.result}, or auth.username for Basic")
	}
	if _, err := TimeFormat(s.Date); err != nil && s.Date != "rfc1123" {
		v.errorf(at+".date", "%v", err)
	}
}
