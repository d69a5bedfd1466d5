package rest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// issuer issues tokens t1, t2, … and serves an API that takes the newest.
type issuer struct {
	*httptest.Server
	forms   []string // of the requests for a token
	issued  int
	expires string // how long they live; "": the issuer does not say
	fail    func(w http.ResponseWriter) bool
	refuse  bool // the API takes no token
	asked   int  // requests to the API
	now     func() time.Time
}

func newIssuer(t *testing.T) *issuer {
	s := &issuer{expires: "3600", now: time.Now}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		if r.URL.Path != "/issuer/token" {
			s.asked++
			if s.refuse || r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.issued) {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, `{"message":"bad %s"}`, r.Header.Get("Authorization"))
				return
			}
			fmt.Fprint(w, `{"data":[{"t":1}]}`)
			return
		}
		if s.fail != nil && s.fail(w) {
			return
		}
		_ = r.ParseForm()
		user, pw, _ := r.BasicAuth()
		s.forms = append(s.forms, r.PostForm.Encode()+" "+user+":"+pw)
		s.issued++
		life := ""
		if s.expires != "" {
			life = `,"expires_in":` + s.expires
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer"%s}`, s.issued, life)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *issuer) source(t *testing.T, auth string, now func() time.Time) *Source {
	t.Helper()
	doc := strings.Replace(tokenConnector, `{type: api_key, header: X-Key, value: "{key}"}`, auth, 1)
	c, err := spec.Parse("acme.yaml", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	src, err := open(c, &c.Streams[0], Options{BaseURL: s.URL, Settings: map[string]string{"host": "me", "key": secret}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

const clientAuth = `{type: oauth2, token_url: /issuer/token, client_id: "{host}", client_secret: "{key}", scope: "read all", params: {audience: "https://{host}/"}}`

func TestATokenIsUsedUntilItEnds(t *testing.T) {
	s, now := newIssuer(t), time.Now()
	s.now = func() time.Time { return now }
	src := s.source(t, clientAuth, s.now)
	fetch := func() {
		t.Helper()
		if _, err := src.Fetch(t.Context(), window, ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		fetch()
	}
	if want := "audience=https%3A%2F%2Fme%2F&client_id=me&client_secret=" + secret + "&grant_type=client_credentials&scope=read+all :"; len(s.forms) != 1 || s.forms[0] != want {
		t.Errorf("requests for a token %q, want one: %q", s.forms, want)
	}
	now = now.Add(58 * time.Minute)
	fetch()
	now = now.Add(2 * time.Minute) // it would end in the next moment
	fetch()
	if s.issued != 2 {
		t.Errorf("%d tokens were issued, want 2", s.issued)
	}
	s.expires = ""
	now = now.Add(time.Hour)
	fetch()
	now = now.Add(8 * time.Minute)
	fetch()
	now = now.Add(8 * time.Minute)
	fetch()
	if s.issued != 4 {
		t.Errorf("%d tokens were issued, want 4: one whose life is not said is used for ten minutes", s.issued)
	}
}

func TestHowATokenIsAskedFor(t *testing.T) {
	for auth, want := range map[string]string{
		strings.Replace(clientAuth, "scope:", "credentials_in: header, scope:", 1):                                 "audience=https%3A%2F%2Fme%2F&grant_type=client_credentials&scope=read+all me:" + secret,
		strings.Replace(clientAuth, "scope:", `grant: password, username: "{host}", password: "{key}", scope:`, 1): "audience=https%3A%2F%2Fme%2F&client_id=me&client_secret=" + secret + "&grant_type=password&password=" + secret + "&scope=read+all&username=me :",
	} {
		s := newIssuer(t)
		if _, err := s.source(t, auth, time.Now).Fetch(t.Context(), window, ""); err != nil || s.forms[0] != want {
			t.Errorf("%s: %q, want %q (%v)", auth, s.forms, want, err)
		}
	}
}

// TestARefusedTokenIsReplacedOnce: a token may be revoked before its end; a
// provider that refuses every one gets no more than two requests.
func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	s := newIssuer(t)
	src := s.source(t, clientAuth, time.Now)
	if _, err := src.Fetch(t.Context(), window, ""); err != nil {
		t.Fatal(err)
	}
	s.issued++ // the one it knows is not the newest any more
	if _, err := src.Fetch(t.Context(), window, ""); err != nil || s.asked != 3 {
		t.Errorf("%d requests, %v", s.asked, err)
	}
	s.refuse, s.asked = true, 0
	_, err := src.Fetch(t.Context(), window, "")
	if reason(err) != "wrong_credentials" || s.asked != 2 || strings.Contains(err.Error(), "token-") {
		t.Errorf("%d requests, %v", s.asked, err)
	}
}

func TestWhyThereIsNoToken(t *testing.T) {
	for name, x := range map[string]struct {
		status       int
		kind, body   string // kind: the Content-Type
		reason, text string
	}{
		"a wrong secret, echoed":  {401, "", `{"error":"invalid_client","error_description":"secret ` + secret + ` is wrong"}`, "wrong_credentials", "check key (ACME_KEY)"},
		"an error with 200":       {200, "", `{"error":"bad_verification_code","error_description":"it is wrong"}`, "wrong_credentials", "bad_verification_code it is wrong"},
		"an error that is a tree": {400, "", `{"error":{"code":"x1"}}`, "wrong_credentials", "x1"},
		"too often":               {429, "", `{}`, "throttled", ""},
		"too often, as 403":       {403, "", `{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}`, "throttled", ""},
		"down, and until when":    {503, "", `down`, "throttled", ""},
		"down":                    {502, "", `down`, "provider_error", ""},
		"no token":                {200, "", `{"token_type":"bearer","id_token":"eyJ"}`, "unexpected_answer", "without an access_token"},
		"a page of a portal":      {200, "text/html", `<html>sign in</html>`, "not_json", "check token_url"},
		"a page of a firewall":    {403, "text/html; charset=utf-8", "\n<!DOCTYPE html><p>blocked", "not_json", "403 Forbidden with a web page"},
		"another address":         {307, "", ``, "foreign_link", "it leads to https://elsewhere.example/"},
		"nothing there":           {404, "", `{}`, "not_found", "check token_url"},
	} {
		s := newIssuer(t)
		s.fail = func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "30")
			w.Header().Set("Location", "https://elsewhere.example/")
			if x.status < 400 || x.kind != "" {
				w.Header().Del("Retry-After")
			}
			if x.kind != "" {
				w.Header().Set("Content-Type", x.kind)
			}
			if x.status != 307 {
				w.Header().Del("Location")
			}
			w.WriteHeader(x.status)
			fmt.Fprint(w, x.body)
			return true
		}
		_, err := s.source(t, clientAuth, time.Now).Fetch(t.Context(), window, "")
		if reason(err) != x.reason || !strings.Contains(err.Error(), x.text) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "eyJ") || s.asked > 0 {
			t.Errorf("%s: %v (%s), want %s", name, err, reason(err), x.reason)
		}
		if e := new(engine.Error); errors.As(err, &e) && x.reason == "throttled" && e.Wait != 30*time.Second {
			t.Errorf("%s: it waits %s", name, e.Wait)
		}
	}
}

// TestHowLongATokenLives: for each grant, in each form that issuers write.
func TestHowLongATokenLives(t *testing.T) {
	grants := map[string]string{
		"client": clientAuth, "password": strings.Replace(clientAuth, "scope:", `grant: password, username: "{host}", password: "{key}", scope:`, 1),
		"refresh": `{type: oauth2, grant: refresh_token, token_url: /issuer/token, client_id: "{host}", client_secret: "{key}", refresh_token: "{key}"}`,
	}
	for expires, life := range map[string]time.Duration{
		`3600`: time.Hour, `3599.98`: time.Hour, `"3600"`: time.Hour, `"3599.98"`: time.Hour, `" 3600 "`: time.Hour, `3`: 3 * time.Second, `"3"`: 3 * time.Second, `5184000`: 60 * 24 * time.Hour,
		``: 10 * time.Minute, `null`: 10 * time.Minute, `0`: 10 * time.Minute, `-1`: 10 * time.Minute, `"NaN"`: 10 * time.Minute, `"soon"`: 10 * time.Minute, `1795348860`: 10 * time.Minute, `1e300`: 10 * time.Minute,
	} {
		for grant, auth := range grants {
			s, now := newIssuer(t), noon
			s.now, s.expires = func() time.Time { return now }, expires
			src := s.source(t, auth, s.now)
			for i, want := range []int{1, 1, 2} {
				if _, err := src.Fetch(t.Context(), window, ""); err != nil || s.issued != want {
					t.Errorf("%s, expires_in %s: request %d with token %d, %v", grant, expires, i+1, s.issued, err)
				}
				now = now.Add([]time.Duration{life / 4, life}[min(i, 1)])
			}
		}
	}
}

// TestATokenThatEndsUnannounced, which some answer with 403, is replaced. Where 403
// is about what may be read, it is not replaced again and again.
func TestATokenThatEndsUnannounced(t *testing.T) {
	for _, status := range []int{401, 403} {
		tokens, asked, ended, barred := 0, 0, false, false
		s := authSource(t, `{type: oauth2, token_url: /token, client_id: "{host}", client_secret: "{key}"}`, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/token":
				tokens, ended = tokens+1, false
				fmt.Fprintf(w, `{"access_token":"token-%d"}`, tokens)
			case ended || barred:
				asked++
				w.WriteHeader(status)
			default:
				fmt.Fprint(w, `[]`)
			}
		}, nil)
		fetchOK(t, s)
		ended = true
		fetchOK(t, s)
		if tokens != 2 || asked != 1 {
			t.Errorf("%d: %d tokens, %d refusals", status, tokens, asked)
		}
		if barred = true; status == 401 {
			continue
		}
		for range 5 {
			if _, err := s.Fetch(t.Context(), window, ""); reason(err) != "forbidden" {
				t.Errorf("%d: %v", status, err)
			}
		}
		if tokens != 3 {
			t.Errorf("%d tokens for what may not be read", tokens)
		}
	}
}

// TestOneTokenForAllThatWereRefused: requests at the same time are refused together.
func TestOneTokenForAllThatWereRefused(t *testing.T) {
	s := newIssuer(t)
	src := s.source(t, clientAuth, time.Now)
	auth := src.auth.(*tokenAuth)
	old, err := auth.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refusal := func() *http.Response {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Authorization", "Bearer "+old)
		return &http.Response{StatusCode: 401, Request: req}
	}
	for range 3 {
		auth.refused(refusal())
		if _, err := auth.get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.issued != 2 {
		t.Errorf("%d tokens", s.issued)
	}
}

// TestRequestsForTokens say who asks, go to an address as it is written, and take
// answers in the form that they were asked in.
func TestRequestsForTokens(t *testing.T) {
	for _, url := range []string{"/token?type=api", "/token/", "https://id.example/token?type=api&x=%2F"} {
		asked := ""
		s := authSource(t, `{type: oauth2, token_url: "`+url+`", client_id: "{host}", client_secret: "{key}"}`, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/data" {
				if r.Header.Get("Authorization") != "Bearer a&b" {
					t.Errorf("%s: Authorization: %s", url, r.Header.Get("Authorization"))
				}
				fmt.Fprint(w, `[]`)
				return
			}
			asked = r.URL.RequestURI()
			if r.UserAgent() != "Sluice/1" || r.Header.Get("Accept") != "application/json" {
				t.Errorf("%s: headers %v", url, r.Header)
			}
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
			fmt.Fprint(w, "access_token=a%26b&scope=&expires_in=3600\n")
		}, func(o *Options) { o.UserAgent = "Sluice/1" })
		fetchOK(t, s)
		if !strings.HasSuffix(url, asked) || asked == "" {
			t.Errorf("%s: asked for %s", url, asked)
		}
	}
}

func TestWhatCannotBeReachedIsNamed(t *testing.T) {
	for url, want := range map[string]string{
		"https://id.acme.invalid/token": "check token_url", "https://{host}.invalid/token": "check the setting host (ACME_HOST)",
	} {
		c := declared(t, `{type: oauth2, token_url: "`+url+`", client_id: "{host}", client_secret: "{key}"}`, listStream)
		s, err := open(c, &c.Streams[0], Options{BaseURL: "https://api.acme.example", Settings: map[string]string{"host": "me", "key": secret},
			Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				return nil, &net.DNSError{Err: "no such host", Name: req.URL.Host, IsNotFound: true}
			})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Fetch(t.Context(), window, "")
		if text := fmt.Sprint(err); !strings.Contains(text, want) || !strings.Contains(text, ".invalid") || strings.Contains(text, "base_url") || strings.Contains(text, "api.acme.example") {
			t.Errorf("%s: %v", url, err)
		}
		err = s.networkError(&neturl.Error{Op: "Get", URL: "https://blobs.example/part?sig=1", Err: &net.DNSError{Err: "no such host", IsNotFound: true}})
		if text := fmt.Sprint(err); !strings.Contains(text, "blobs.example") || strings.Contains(text, "base_url") || strings.Contains(text, "sig=") {
			t.Error(text)
		}
		refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		err = s.networkError(&neturl.Error{Op: "Get", URL: "https://api.acme.example/events", Err: refused})
		if text := fmt.Sprint(err); !strings.Contains(text, "api.acme.example: connection refused at 192.0.2.1:443; ") || strings.Contains(text, "dial") {
			t.Error(text)
		}
	}
}
