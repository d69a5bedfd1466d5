// Package auth proves to a provider who asks: with keys, passwords, signatures and
// certificates, and with tokens that it asks for, keeps while they are good, and
// replaces.
//
// An Authenticator puts the credentials of a connection into its requests. Secrets knows
// them, and covers them in all texts that leave: errors, logs and what is stored.
package auth

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Authenticator proves to the provider who asks. Several goroutines may use it.
type Authenticator interface {
	// Apply puts the credentials into a request, which may be the last thing that is done
	// to it: a signature is of all of it. Errors are of package engine.
	Apply(ctx context.Context, req *http.Request) error
	// Refused is told of an answer that refuses them, with the request that it is to, and
	// reports whether it is worth asking once more.
	Refused(resp *http.Response) bool
}

// Owner is the connection whose credentials these are.
type Owner struct {
	*answer.Errors
	Settings map[string]string // by name, secrets resolved
	Secrets  *Secrets          // is told what becomes of credentials
	// Label stands before the names of what becomes of credentials, where a connection
	// has several.
	Label     string
	UserAgent string
	// Tokens sends requests for tokens. It must not follow redirects.
	Tokens *http.Client
	// Call makes a request that a connector declares, without credentials, and reads the
	// answer whole, whatever its status.
	Call func(context.Context, *spec.Request) (*http.Response, []byte, error)
	// Azure gives tokens of Microsoft Entra ID for Sluice's own identity; nil: there is none.
	Azure AzureToken
	// Keep stores a credential that the provider replaces; nil: it is lost with the process.
	Keep Keeper
}

// credentials are what a connector declares, and whose they are.
type credentials struct {
	Owner
	decl *spec.Auth
}

// New makes the authenticator that a connector declares.
func New(decl *spec.Auth, o Owner) Authenticator {
	c := &credentials{o, decl}
	switch decl.Type {
	case "basic":
		user, password := c.setting(decl.Username), c.setting(decl.Password)
		c.Secrets.Set(c.Label+"basic", user+":"+password)
		return fixed(func(req *http.Request) error { req.SetBasicAuth(user, password); return nil })
	case "digest":
		return &digest{c: c}
	case "bearer":
		return fixed(func(req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+c.setting(decl.Value))
			return nil
		})
	case "api_key":
		c.Secrets.Set(c.Label+"api_key", c.setting(decl.Value)) // which may have several settings in it
		if decl.Body != "" {                                    // goes in when the body is written
			return none
		}
		return fixed(func(req *http.Request) error { return c.putKey(req, c.setting(decl.Value)) })
	case "oauth2":
		return &tokenAuth{c: c, issue: (&oauth{credentials: c}).token}
	case "azure":
		return &tokenAuth{c: c, issue: c.azureToken}
	case "jwt":
		return &tokenAuth{c: c, issue: c.ownToken}
	case "login":
		return &tokenAuth{c: c, issue: c.login}
	case "signature":
		return newSigner(c)
	}
	return none
}

// Certificate is the certificate that a connector has the client show; nil for none.
func Certificate(decl *spec.Auth, o Owner) (*tls.Certificate, error) {
	if decl.Certificate == "" {
		return nil, nil
	}
	c := &credentials{o, decl}
	cert, err := tls.X509KeyPair([]byte(c.setting(decl.Certificate)), []byte(c.setting(decl.CertKey)))
	if err != nil { // its text may quote the key
		return nil, fmt.Errorf("%s: the client certificate and its key are no pair of PEM texts; check %s", c.Connector.Name, c.SecretSettings())
	}
	return &cert, nil
}

// setting expands the settings in a text.
func (c *credentials) setting(text string) string {
	return spec.Expand(text, func(name, _ string) string { return c.Settings[name] })
}

// putKey puts a key or token where auth says: a header, a query parameter or a cookie.
func (c *credentials) putKey(req *http.Request, value string) error {
	a := c.decl
	if a.Prefix != "" {
		value = a.Prefix + " " + value
	}
	switch {
	case a.Query != "":
		q := req.URL.Query()
		q.Set(a.Query, value)
		req.URL.RawQuery = q.Encode()
	case a.Cookie != "":
		if err := setCookie(req, a.Cookie, value); err != nil {
			return c.Fail(engine.Auth, "wrong_credentials", "check "+c.SettingIn(a.Value, "what the login answers"), err, 0)
		}
	default:
		req.Header.Set(a.Header, value)
	}
	return nil
}

// carries reports whether putKey has put value into a request.
func (c *credentials) carries(req *http.Request, value string) bool {
	a := c.decl
	switch {
	case a.Query != "":
		return strings.HasSuffix(req.URL.Query().Get(a.Query), value)
	case a.Cookie != "":
		return strings.HasSuffix(req.Header.Get("Cookie"), value)
	}
	return strings.HasSuffix(req.Header.Get(a.Header), value)
}

// fixed credentials are always the same.
type fixed func(*http.Request) error

func (f fixed) Apply(_ context.Context, req *http.Request) error { return f(req) }
func (f fixed) Refused(*http.Response) bool                      { return false }

var none = fixed(func(*http.Request) error { return nil })

// tokenAuth asks for a token, uses it until shortly before it ends, and replaces
// it when it is refused.
type tokenAuth struct {
	c     *credentials
	issue func(context.Context) (token, error)

	mu    sync.Mutex
	value string
	until time.Time
	used  bool // for a request before
	known bool // 403 has come for a new token too: it is no matter of the token
}

const (
	// tokenMargin is how long before its end a token is replaced.
	tokenMargin = time.Minute
	// tokenName is what marks a token in what is stored.
	tokenName = "access_token"
)

func (t *tokenAuth) Apply(ctx context.Context, req *http.Request) error {
	value, err := t.get(ctx)
	if err != nil {
		return err
	}
	return t.c.putKey(req, value)
}

// get returns a token that is valid now.
func (t *tokenAuth) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != "" && t.c.Now().Before(t.until) {
		t.used = true
		return t.value, nil
	}
	issued, err := t.issue(ctx)
	if err != nil {
		return "", err
	}
	life := issued.life
	if life <= 0 {
		life = time.Duration(t.c.decl.Lifetime)
	}
	t.value, t.used, t.known, t.until = issued.value, false, false, t.c.Now().Add(max(life-tokenMargin, life/2))
	t.c.Secrets.Set(t.c.Label+tokenName, t.value)
	return t.value, nil
}

// Refused drops the token, and reports whether it had been good for a while: the
// provider may accept a new one. Some say 403 of a token that has ended, but as a
// rule that is about what may be read, and then a new token changes nothing.
func (t *tokenAuth) Refused(resp *http.Response) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == "" || !t.c.carries(resp.Request, t.value) { // replaced meanwhile
		return true
	}
	if resp.StatusCode == http.StatusForbidden && (t.known || !t.used) {
		t.known = true
		return false
	}
	t.value = ""
	return t.used
}
