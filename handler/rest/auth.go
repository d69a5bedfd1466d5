package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/spec"
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
		r.secrets.set(r.label+"basic", user+":"+password)
		return fixed(func(req *http.Request) { req.SetBasicAuth(user, password) })
	case "digest":
		return &digest{r: r}
	case "bearer":
		return fixed(func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+r.setting(a.Value)) })
	case "api_key":
		r.secrets.set(r.label+"api_key", r.setting(a.Value)) // which may have several settings in it
		if a.Body != "" {                                    // goes in when the body is written
			return fixed(func(*http.Request) {})
		}
		return fixed(func(req *http.Request) { putKey(req, a, r.setting(a.Value)) })
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
	return fixed(func(*http.Request) {})
}

// putKey puts a key or token where auth says: a header, a query parameter or a cookie.
func putKey(req *http.Request, a *spec.Auth, value string) {
	if a.Prefix != "" {
		value = a.Prefix + " " + value
	}
	switch {
	case a.Query != "":
		q := req.URL.Query()
		q.Set(a.Query, value)
		req.URL.RawQuery = q.Encode()
	case a.Cookie != "":
		req.AddCookie(&http.Cookie{Name: a.Cookie, Value: value})
	default:
		req.Header.Set(a.Header, value)
	}
}

// fixed credentials are always the same.
type fixed func(*http.Request)

func (f fixed) apply(_ context.Context, req *http.Request) error { f(req); return nil }
func (f fixed) refused(*http.Response) bool                      { return false }

// token is what an issuer has answered; a life of 0 says that it did not say.
type token struct {
	value string
	life  time.Duration
}

// tokenAuth asks for a token, uses it until shortly before it ends, and replaces
// it when it is refused.
type tokenAuth struct {
	r     *Connection
	issue func(context.Context) (token, error)

	mu    sync.Mutex
	value string
	until time.Time
	used  bool // for a request before
}

const (
	// tokenMargin is how long before its end a token is replaced.
	tokenMargin = time.Minute
	// tokenName is what marks a token in what is stored.
	tokenName = "access_token"
)

func (t *tokenAuth) apply(ctx context.Context, req *http.Request) error {
	value, err := t.get(ctx)
	if err == nil {
		putKey(req, &t.r.c.Auth, value)
	}
	return err
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
	t.value, t.used, t.until = issued.value, false, t.r.opt.Now().Add(max(life-tokenMargin, life/2))
	t.r.secrets.set(t.r.label+tokenName, t.value)
	return t.value, nil
}

// refused drops the token, and reports whether it had been good for a while: the
// provider may accept a new one.
func (t *tokenAuth) refused(*http.Response) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = ""
	return t.used
}
