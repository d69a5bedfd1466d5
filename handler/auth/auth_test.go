package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// pemKey is a private key in PEM, and its public half.
func pemKey(t *testing.T, kind string) (text string, public any) {
	t.Helper()
	var key any
	if kind == "EC" {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	} else {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), public
}

// claims verifies a statement and returns what it says.
func claims(t *testing.T, statement string, key any) jwt.MapClaims {
	t.Helper()
	tok, err := jwt.Parse(statement, func(*jwt.Token) (any, error) { return key, nil }, jwt.WithTimeFunc(func() time.Time { return noon }))
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return tok.Claims.(jwt.MapClaims)
}

func TestStatementsProveWhoAsks(t *testing.T) {
	for _, kind := range []string{"RSA", "EC"} {
		text, public := pemKey(t, kind)
		alg := map[string]string{"RSA": "RS256", "EC": "ES256"}[kind]
		for auth, field := range map[string]string{
			`{type: oauth2, grant: jwt_bearer, token_url: /token, private_key: "{key}", key_id: k1, algorithm: ` + alg + `, claims: {iss: "{host}", aud: "https://issuer/", sub: "", scope: a b}}`:         "assertion",
			`{type: oauth2, token_url: /token, client_id: "{host}", credentials_in: assertion, private_key: "{key}", key_id: k1, algorithm: ` + alg + `, claims: {iss: "{host}", aud: "https://issuer/"}}`: "client_assertion",
			`{type: jwt, private_key: "{key}", key_id: k1, algorithm: ` + alg + `, claims: {iss: "{host}", aud: "https://issuer/"}}`:                                                                       "",
		} {
			asked := 0
			s := newAsker(t, auth, func(w http.ResponseWriter, r *http.Request) {
				statement, bearer := r.FormValue(field), r.Header.Get("Authorization")
				if field == "" {
					statement = strings.TrimPrefix(bearer, "Bearer ")
				}
				if r.URL.Path == "/token" {
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"access_token":"at","token_type":"Bearer"}`)
				} else if field != "" {
					if bearer != "Bearer at" {
						t.Errorf("Authorization: %s", bearer)
					}
					_, _ = io.WriteString(w, `[]`)
					return
				} else {
					_, _ = io.WriteString(w, `[]`)
				}
				asked++
				got := claims(t, statement, public)
				if got["iss"] != "me" || got["aud"] != "https://issuer/" || got["exp"].(float64) <= float64(noon.Unix()) || got["jti"] == "" || got["sub"] != nil {
					t.Errorf("claims: %v", got)
				}
			}, func(o *Owner) { o.Settings["key"] = strings.ReplaceAll(text, "\n", `\n`) })
			getOK(t, s)
			if asked != 1 {
				t.Errorf("%d statements in %s", asked, field)
			}
		}
	}
	s := newAsker(t, `{type: jwt, private_key: "{key}", claims: {iss: x}}`, nil, nil)
	if err := s.get(t); reason(err) != "wrong_credentials" || strings.Contains(err.Error(), secret) {
		t.Errorf("a key that is none: %v", err)
	}
}

// TestARefreshTokenThatIsReplacedIsKeptSealed: by a provider that takes each once.
func TestARefreshTokenThatIsReplacedIsKeptSealed(t *testing.T) {
	const auth = `{type: oauth2, grant: refresh_token, token_url: /token, client_id: "{host}", client_secret: "{key}", refresh_token: "{key}"}`
	valid, n := secret, 0
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			_, _ = io.WriteString(w, `[]`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("refresh_token") != valid {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
		n++
		valid = fmt.Sprintf("rotated-token-%d", n)
		fmt.Fprintf(w, `{"access_token":"at-%d","refresh_token":%q}`, n, valid)
	}
	keep := &memKeeper{}
	with := func(o *Owner) { o.Keep = keep }
	for range 3 { // each time by another process
		getOK(t, newAsker(t, auth, h, with))
	}
	if n != 3 || strings.Contains(string(keep.sealed), "rotated") {
		t.Errorf("%d tokens; kept: %q", n, keep.sealed)
	}
	// Other credentials, given by a person, go before what was kept.
	valid = "another-token"
	getOK(t, newAsker(t, auth, h, func(o *Owner) { o.Keep, o.Settings["key"] = keep, valid }))
}

func TestALoginIsFinishedAndUsed(t *testing.T) {
	const auth = `{type: oauth2, grant: authorization_code, authorize_url: "https://id.example/agree", token_url: /token, client_id: "{host}", client_secret: "{key}", scope: read}`
	challenge := "" // that the page was asked with
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path != "/token":
			_, _ = io.WriteString(w, `[]`)
		case r.FormValue("code") == "c1" && oauth2.S256ChallengeFromVerifier(r.FormValue("code_verifier")) == challenge && r.FormValue("redirect_uri") == "http://127.0.0.1:1/":
			_, _ = io.WriteString(w, `{"access_token":"at","refresh_token":"first"}`)
		case r.FormValue("refresh_token") == "first":
			_, _ = io.WriteString(w, `{"access_token":"at"}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	keep := &memKeeper{}
	with := func(o *Owner) { o.Keep = keep }
	s := newAsker(t, auth, h, with)
	if err := s.get(t); reason(err) != "not_logged_in" || !strings.Contains(err.Error(), "sluice login") {
		t.Errorf("before the login: %v", err)
	}
	login := BeginLogin(&s.Connector.Auth, s.Owner, "http://127.0.0.1:1/")
	u, err := url.Parse(login.URL)
	q := u.Query()
	if err != nil || u.Host != "id.example" || q.Get("scope") != "read" || q.Get("state") != login.State || q.Get("code_challenge_method") != "S256" || q.Get("access_type") != "offline" {
		t.Errorf("%s, %v", u, err)
	}
	challenge = q.Get("code_challenge")
	if err := login.Finish(t.Context(), "wrong"); reason(err) != "wrong_credentials" {
		t.Errorf("a wrong code: %v", err)
	}
	if err := login.Finish(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	getOK(t, s)
	getOK(t, newAsker(t, auth, h, with))
}

func TestAzureTokens(t *testing.T) {
	own := func(_ context.Context, scope string) (string, time.Time, error) {
		return "own:" + scope, noon.Add(time.Hour), nil
	}
	var got []string
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Host") != "login.microsoftonline.com" {
			got = append(got, r.Header.Get("Authorization"))
			_, _ = io.WriteString(w, `[]`)
			return
		}
		got = append(got, r.URL.Path+" "+r.FormValue("client_id")+" "+r.FormValue("client_secret")+r.FormValue("client_assertion")+" "+r.FormValue("scope"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"at","expires_in":3600}`)
	}
	const auth = `{type: azure, scope: "https://graph.microsoft.com/.default", tenant: t1, client_id: "{host}", client_secret: "{key}"}`
	getOK(t, newAsker(t, auth, h, nil))
	getOK(t, newAsker(t, strings.Replace(auth, `, client_secret: "{key}"`, "", 1), h, func(o *Owner) { o.Azure = own }))
	getOK(t, newAsker(t, `{type: azure, scope: "https://graph.microsoft.com/.default"}`, h, func(o *Owner) { o.Azure = own }))
	want := []string{"/t1/oauth2/v2.0/token me " + secret + " https://graph.microsoft.com/.default", "Bearer at",
		"/t1/oauth2/v2.0/token me own:api://AzureADTokenExchange/.default https://graph.microsoft.com/.default", "Bearer at", "Bearer own:https://graph.microsoft.com/.default"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s := newAsker(t, `{type: azure, scope: x}`, h, func(o *Owner) {
		o.Azure = func(context.Context, string) (string, time.Time, error) {
			return "", time.Time{}, errors.New("no identity")
		}
	})
	if err := s.get(t); reason(err) != "wrong_credentials" {
		t.Error(err)
	}
}

// TestSignaturesAreThoseOfTheProviders: the example of Duo's documentation
// (duo.com/docs/adminapi, "Authentication": GET with these parameters), and one of
// EdgeGrid worked out by hand with the formula of Akamai's documentation.
func TestSignaturesOfDuoAndAkamai(t *testing.T) {
	var seen http.Header
	h := func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		_, _ = io.WriteString(w, `[]`)
	}
	duo := newAsker(t, `{type: signature, username: "{host}", sign: {algorithm: hmac-sha1, key: "{key}", text: "{sign.date}\n{sign.method}\n{sign.host}\n{sign.path}\n{sign.query}", headers: {Date: "{sign.date}"}}}`, h, nil)
	duo.query = "b=two+words&a=1~"
	getOK(t, duo)
	text := "Sun, 22 Nov 2026 12:00:00 +0000\nGET\n" + duo.Base.Host + "\n/data\na=1~&b=two%20words"
	user, got, _ := (&http.Request{Header: seen}).BasicAuth()
	if want := hmacHex("sha1", secret, text); user != "me" || got != want || seen.Get("Date") != "Sun, 22 Nov 2026 12:00:00 +0000" {
		t.Errorf("%s:%s, want %s", user, got, want)
	}
	const unsigned = "EG1-HMAC-SHA256 client_token={host};access_token=at;timestamp={sign.date};nonce={sign.nonce};"
	eg := newAsker(t, `{type: signature, sign: {algorithm: hmac-sha256, key: "{key}", derive: "{sign.date}", date: "yyyyMMddTHH:mm:ss+0000", encoding: base64, text: "{sign.method}\t{sign.scheme}\t{sign.host}\t{sign.target}\t\t{sign.body_hash}\t`+unsigned+`", headers: {Authorization: "`+unsigned+`signature={sign.result}"}}}`, h, nil)
	eg.auth.(*signer).nonce = func() string { return "n1" }
	getOK(t, eg)
	head := "EG1-HMAC-SHA256 client_token=me;access_token=at;timestamp=20261122T12:00:00+0000;nonce=n1;"
	key := hmacBase64("sha256", secret, "20261122T12:00:00+0000")
	want := head + "signature=" + hmacBase64("sha256", key, "GET\thttp\t"+eg.Base.Host+"\t/data\t\t\t"+head)
	if seen.Get("Authorization") != want {
		t.Errorf("%s\nwant %s", seen.Get("Authorization"), want)
	}
}

func TestDigestAnswersTheChallenge(t *testing.T) {
	nonce, refused := "n1", 0
	md := func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
	s := newAsker(t, `{type: digest, username: "{host}", password: "{key}"}`, func(w http.ResponseWriter, r *http.Request) {
		p := map[string]string{}
		for _, m := range challengeParam.FindAllStringSubmatch(strings.TrimPrefix(r.Header.Get("Authorization"), "Digest "), -1) {
			p[m[1]] = m[2] + m[3]
		}
		ha1, ha2 := md("me:realm:"+secret), md("GET:"+r.URL.RequestURI())
		if p["nonce"] != nonce || p["uri"] != r.URL.RequestURI() || p["response"] != md(strings.Join([]string{ha1, nonce, p["nc"], p["cnonce"], "auth", ha2}, ":")) || p["opaque"] != "o" {
			refused++
			w.Header().Set("WWW-Authenticate", `Digest realm="realm", nonce="`+nonce+`", qop="auth", opaque="o", algorithm=MD5`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `[]`)
	}, nil)
	getOK(t, s)
	getOK(t, s)
	nonce = "n2"
	getOK(t, s)
	if refused != 2 {
		t.Errorf("refused %d times, want once for each nonce", refused)
	}
	s.Settings["key"] = "wrong"
	if err := s.get(t); reason(err) != "wrong_credentials" || refused > 5 {
		t.Errorf("a wrong password: %v, refused %d times", err, refused)
	}
}

// TestDigestOfTheStandard is the example of RFC 2617, section 3.5.
func TestDigestOfTheStandard(t *testing.T) {
	a := newAsker(t, `{type: digest, username: "{host}", password: "{key}"}`, nil, func(o *Owner) {
		o.Settings = map[string]string{"host": "Mufasa", "key": "Circle Of Life"}
	})
	d := a.auth.(*digest)
	d.count, d.challenge = 1, map[string]string{"realm": "testrealm@host.com", "qop": "auth", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"}
	if got := d.answer("GET", "/dir/index.html", "0a4f113b"); !strings.Contains(got, `response="6629fae49393a05397450978507c4ef1"`) {
		t.Error(got)
	}
}

func hmacHex(hash, key, text string) string {
	s := &signer{credentials: &credentials{decl: &spec.Auth{Sign: &spec.Sign{Algorithm: "hmac-" + hash, Encoding: "hex"}}}}
	return s.mac([]byte(key), text)
}

func hmacBase64(hash, key, text string) string {
	s := &signer{credentials: &credentials{decl: &spec.Auth{Sign: &spec.Sign{Algorithm: "hmac-" + hash, Encoding: "base64"}}}}
	return s.mac([]byte(key), text)
}

type memKeeper struct{ sealed []byte }

func (k *memKeeper) Load(context.Context) ([]byte, error) {
	if k.sealed == nil {
		return nil, engine.ErrNotFound
	}
	return k.sealed, nil
}
func (k *memKeeper) Save(_ context.Context, b []byte) error { k.sealed = b; return nil }
