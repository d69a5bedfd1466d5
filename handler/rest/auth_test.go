package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
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

const listStream = "request: {path: /data}\nrecords: $" + windowed

// authSource is a source with this auth; requests to any https host go to h as well.
func authSource(t *testing.T, auth string, h http.HandlerFunc, change func(*Options)) *Source {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c := declared(t, auth, listStream)
	opt := Options{BaseURL: srv.URL, Settings: map[string]string{"host": "me", "key": secret}, Now: func() time.Time { return noon }}
	opt.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Header.Set("X-Host", req.URL.Host)
		u, err := neturl.Parse(srv.URL)
		if err != nil {
			return nil, err
		}
		req.URL.Scheme, req.URL.Host = u.Scheme, u.Host
		return http.DefaultTransport.RoundTrip(req)
	})
	if change != nil {
		change(&opt)
	}
	s, err := open(c, &c.Streams[0], opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func fetchOK(t *testing.T, s *Source) {
	t.Helper()
	if _, err := s.Fetch(t.Context(), window, ""); err != nil {
		t.Error(err)
	}
}

func TestALoginGivesATokenOrASession(t *testing.T) {
	for auth, send := range map[string]func(*http.Request) string{
		`{type: login, login: {request: {path: /login, body: {user: "{host}", pw: "{key}"}}, token: $.data.token, expires: $.ttl}}`:                    func(r *http.Request) string { return r.Header.Get("Authorization") },
		`{type: login, header: X-Session, login: {request: {path: /login, encode: form, body: {user: "{host}", pw: "{key}"}}, token_header: X-Token}}`: func(r *http.Request) string { return "Bearer " + r.Header.Get("X-Session") },
		`{type: login, cookie: sid, lifetime: 5m, login: {request: {path: /login, body: {user: "{host}", pw: "{key}"}}, token_cookie: JSESSIONID}}`:    func(r *http.Request) string { c, _ := r.Cookie("sid"); return "Bearer " + c.Value },
	} {
		logins, sessions := 0, 0
		now := noon
		s := authSource(t, auth, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path == "/login" {
				logins++
				if !strings.Contains(string(body), secret) || !strings.Contains(string(body), "me") {
					t.Errorf("login: %s", body)
				}
				token := fmt.Sprintf("session-%d", logins)
				w.Header().Set("X-Token", token)
				http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: token})
				fmt.Fprintf(w, `{"data":{"token":%q},"ttl":3600}`, token)
				return
			}
			sessions++
			if got, want := send(r), fmt.Sprintf("Bearer session-%d", logins); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			_, _ = io.WriteString(w, `[]`)
		}, func(o *Options) { o.Now = func() time.Time { return now } })
		fetchOK(t, s)
		fetchOK(t, s)
		now = now.Add(2 * time.Hour)
		fetchOK(t, s)
		if logins != 2 || sessions != 3 {
			t.Errorf("%s: %d logins for %d requests", auth, logins, sessions)
		}
	}
	for want, h := range map[string]http.HandlerFunc{
		"wrong_credentials": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"error":"`+secret+`"}`) },
		"throttled":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"provider_error":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		s := authSource(t, `{type: login, login: {request: {path: /login, body: {pw: "{key}"}}, token: $.token}}`, h, nil)
		if _, err := s.Fetch(t.Context(), window, ""); reason(err) != want || strings.Contains(err.Error(), secret) {
			t.Errorf("%v (%s), want %s", err, reason(err), want)
		}
	}
}

func TestAKeyInTheBody(t *testing.T) {
	c := declared(t, `{type: api_key, body: $.auth.key, value: "{key}"}`, "request: {method: POST, path: /q, body: {x: 1}}\nrecords: $"+windowed)
	a := newAPI(t, map[string]any{`POST /q {"auth":{"key":"` + secret + `"},"x":1}`: `[1]`})
	got, _ := a.all(t, c, "", false)
	expect(t, got, "1")
}

func TestAClientCertificateIsShown(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			if c.SerialNumber.Int64() == 7 {
				shown++
			}
		}
		_, _ = io.WriteString(w, `[]`)
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := declared(t, `{type: none, certificate: "{host}", certificate_key: "{key}"}`, listStream)
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL, Settings: map[string]string{"host": cert, "key": text}})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	s.client.Transport.(*patient).next.(*http.Transport).TLSClientConfig.RootCAs = pool
	fetchOK(t, s)
	if shown != 1 {
		t.Error("no certificate was shown")
	}
	if _, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL, Settings: map[string]string{"host": cert, "key": secret}}); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a key that is none: %v", err)
	}
}

// TestRequestsAreSpacedOut where answers do not tell of a limit.
func TestRequestsAreSpacedOut(t *testing.T) {
	now := noon
	s := authSource(t, "{type: none}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[]`) }, func(o *Options) { o.Now = func() time.Time { return now } })
	s.c.Limits.Requests, s.c.Limits.Per = 30, spec.Duration(time.Minute)
	fetchOK(t, s)
	_, err := s.Fetch(t.Context(), window, "")
	if e := new(engine.Error); !errors.As(err, &e) || e.Reason != engine.RateShare || e.Wait != 2*time.Second {
		t.Errorf("%v", err)
	}
	now = now.Add(2 * time.Second)
	fetchOK(t, s)
}

const clientAuth = `{type: oauth2, token_url: /token, client_id: "{host}", client_secret: "{key}"}`

// issuer issues tokens token-1, token-2, … and serves an API that takes the newest.
type issuer struct {
	issued int
	refuse bool // the API takes no token
	asked  int  // requests to the API
}

func (s *issuer) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		s.issued++
		fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":3600}`, s.issued)
		return
	}
	s.asked++
	if s.refuse || r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.issued) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"message":"bad %s"}`, r.Header.Get("Authorization"))
		return
	}
	_, _ = io.WriteString(w, `[]`)
}

// TestARefusedTokenIsReplacedOnce: a token may be revoked before its end; a
// provider that refuses every one gets no more than two requests.
func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	s := &issuer{}
	src := authSource(t, clientAuth, s.serve, nil)
	fetchOK(t, src)
	s.issued++ // the one it knows is not the newest any more
	if fetchOK(t, src); s.asked != 3 {
		t.Errorf("%d requests", s.asked)
	}
	s.refuse, s.asked = true, 0
	_, err := src.Fetch(t.Context(), window, "")
	if reason(err) != "wrong_credentials" || s.asked != 2 || strings.Contains(err.Error(), "token-") {
		t.Errorf("%d requests, %v", s.asked, err)
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
