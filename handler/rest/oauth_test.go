package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
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
	for want, answer := range map[string]struct {
		status int
		body   string
	}{
		"wrong_credentials": {401, `{"error":"invalid_client","error_description":"secret ` + secret + ` is wrong"}`},
		"throttled":         {429, `{}`},
		"provider_error":    {503, `down`},
		"unexpected_answer": {200, `{"token_type":"bearer"}`},
	} {
		s := newIssuer(t)
		s.fail = func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(answer.status)
			fmt.Fprint(w, answer.body)
			return true
		}
		_, err := s.source(t, clientAuth, time.Now).Fetch(t.Context(), window, "")
		if reason(err) != want || strings.Contains(err.Error(), secret) || s.asked > 0 {
			t.Errorf("%d: %v (%s), want %s", answer.status, err, reason(err), want)
		}
		if e, ok := err.(*engine.Error); ok && want == "throttled" && e.Wait != 30*time.Second {
			t.Errorf("it waits %s", e.Wait)
		}
	}
}
