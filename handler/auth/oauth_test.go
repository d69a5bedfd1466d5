package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
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

func (s *issuer) asker(t *testing.T, auth string, now func() time.Time) *asker {
	t.Helper()
	return newAsker(t, auth, s.Config.Handler.ServeHTTP, func(o *Owner) { o.Now = now })
}

const clientAuth = `{type: oauth2, token_url: /issuer/token, client_id: "{host}", client_secret: "{key}", scope: "read all", params: {audience: "https://{host}/"}}`

func TestATokenIsUsedUntilItEnds(t *testing.T) {
	s, now := newIssuer(t), time.Now()
	s.now = func() time.Time { return now }
	src := s.asker(t, clientAuth, s.now)
	fetch := func() {
		t.Helper()
		if err := src.get(t); err != nil {
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
		if err := s.asker(t, auth, time.Now).get(t); err != nil || s.forms[0] != want {
			t.Errorf("%s: %q, want %q (%v)", auth, s.forms, want, err)
		}
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
		err := s.asker(t, clientAuth, time.Now).get(t)
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
			src := s.asker(t, auth, s.now)
			for i, want := range []int{1, 1, 2} {
				if err := src.get(t); err != nil || s.issued != want {
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
		s := newAsker(t, `{type: oauth2, token_url: /token, client_id: "{host}", client_secret: "{key}"}`, func(w http.ResponseWriter, r *http.Request) {
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
		getOK(t, s)
		ended = true
		getOK(t, s)
		if tokens != 2 || asked != 1 {
			t.Errorf("%d: %d tokens, %d refusals", status, tokens, asked)
		}
		if barred = true; status == 401 {
			continue
		}
		for range 5 {
			if err := s.get(t); reason(err) != "forbidden" {
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
	src := s.asker(t, clientAuth, time.Now)
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
		auth.Refused(refusal())
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
		s := newAsker(t, `{type: oauth2, token_url: "`+url+`", client_id: "{host}", client_secret: "{key}"}`, func(w http.ResponseWriter, r *http.Request) {
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
		}, func(o *Owner) { o.UserAgent = "Sluice/1" })
		getOK(t, s)
		if !strings.HasSuffix(url, asked) || asked == "" {
			t.Errorf("%s: asked for %s", url, asked)
		}
	}
}

// TestGovernmentsHaveAuthoritiesOfTheirOwn.
func TestGovernmentsHaveAuthoritiesOfTheirOwn(t *testing.T) {
	for scope, want := range map[string]string{
		"https://manage.office.com/.default":               "login.microsoftonline.com",
		"https://manage-gcc.office.com/.default":           "login.microsoftonline.com",
		"https://manage.office365.us/.default":             "login.microsoftonline.us",
		"https://manage.protection.apps.mil/.default":      "login.microsoftonline.us",
		"https://graph.microsoft.us/.default":              "login.microsoftonline.us",
		"https://microsoftgraph.chinacloudapi.cn/.default": "login.chinacloudapi.cn",
		"api://x/.default":                                 "login.microsoftonline.com",
	} {
		if got := authority(scope); got != "https://"+want+"/" {
			t.Errorf("%s: %s", scope, got)
		}
	}
}
