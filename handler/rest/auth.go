package rest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// authenticator proves to the provider who asks.
type authenticator interface {
	// apply puts the credentials into a request.
	apply(ctx context.Context, req *http.Request) error
	// refused is told of an answer that refuses them, and reports whether it is
	// worth asking once more.
	refused(resp *http.Response) bool
}

func newAuthenticator(r *Connection) authenticator {
	a := &r.c.Auth
	switch a.Type {
	case "basic":
		user, password := r.setting(a.Username), r.setting(a.Password)
		r.secrets.Set(r.label+"basic", user+":"+password)
		return fixed(func(req *http.Request) error { req.SetBasicAuth(user, password); return nil })
	case "digest":
		return &digest{r: r}
	case "bearer":
		return fixed(func(req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+r.setting(a.Value))
			return nil
		})
	case "api_key":
		r.secrets.Set(r.label+"api_key", r.setting(a.Value)) // which may have several settings in it
		if a.Body != "" {                                    // goes in when the body is written
			return none
		}
		return fixed(func(req *http.Request) error { return r.putKey(req, r.setting(a.Value)) })
	case "oauth2":
		return &tokenAuth{r: r, issue: (&oauth{Connection: r}).token}
	case "azure":
		return &tokenAuth{r: r, issue: r.azureToken}
	case "jwt":
		return &tokenAuth{r: r, issue: r.ownToken}
	case "login":
		return &tokenAuth{r: r, issue: r.login}
	case "signature":
		return newSigner(r)
	}
	return none
}

// putKey puts a key or token where auth says: a header, a query parameter or a cookie.
func (r *Connection) putKey(req *http.Request, value string) error {
	a := &r.c.Auth
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
			return r.fail(engine.Auth, "wrong_credentials", "check "+r.errs.SettingIn(a.Value, "what the login answers"), err, 0)
		}
	default:
		req.Header.Set(a.Header, value)
	}
	return nil
}

// carries reports whether putKey has put value into a request.
func (r *Connection) carries(req *http.Request, value string) bool {
	a := &r.c.Auth
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

func (f fixed) apply(_ context.Context, req *http.Request) error { return f(req) }
func (f fixed) refused(*http.Response) bool                      { return false }

var none = fixed(func(*http.Request) error { return nil })

// tokenAuth asks for a token, uses it until shortly before it ends, and replaces
// it when it is refused.
type tokenAuth struct {
	r     *Connection
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

func (t *tokenAuth) apply(ctx context.Context, req *http.Request) error {
	value, err := t.get(ctx)
	if err != nil {
		return err
	}
	return t.r.putKey(req, value)
}

// get returns a token that is valid now.
func (t *tokenAuth) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != "" && t.r.opt.Now().Before(t.until) {
		t.used = true
		return t.value, nil
	}
	issued, err := t.issue(ctx)
	if err != nil {
		return "", err
	}
	life := issued.life
	if life <= 0 {
		life = time.Duration(t.r.c.Auth.Lifetime)
	}
	t.value, t.used, t.known, t.until = issued.value, false, false, t.r.opt.Now().Add(max(life-tokenMargin, life/2))
	t.r.secrets.Set(t.r.label+tokenName, t.value)
	return t.value, nil
}

// refused drops the token, and reports whether it had been good for a while: the
// provider may accept a new one. Some say 403 of a token that has ended, but as a
// rule that is about what may be read, and then a new token changes nothing.
func (t *tokenAuth) refused(resp *http.Response) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == "" || !t.r.carries(resp.Request, t.value) { // replaced meanwhile
		return true
	}
	if resp.StatusCode == http.StatusForbidden && (t.known || !t.used) {
		t.known = true
		return false
	}
	t.value = ""
	return t.used
}
