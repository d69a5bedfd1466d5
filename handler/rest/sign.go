package rest

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// signer signs each request.
type signer struct {
	*Connection
	nonce func() string
}

func newSigner(r *Connection) *signer { return &signer{r, uuid.NewString} }

var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

func (s *signer) refused(*http.Response) bool { return false }

func (s *signer) apply(_ context.Context, req *http.Request) error {
	d := s.c.Auth.Sign
	sum, err := s.bodyHash(req)
	if err != nil {
		return s.fail(engine.Permanent, "bad_request", "", err, 0)
	}
	query := strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20") // sorted by name, RFC 3986
	req.URL.RawQuery = query
	sc := &scope{settings: s.opt.Settings, values: map[string]any{
		"sign.date": s.date(), "sign.method": req.Method, "sign.scheme": req.URL.Scheme, "sign.host": strings.ToLower(req.URL.Host),
		"sign.path": req.URL.EscapedPath(), "sign.query": query, "sign.target": req.URL.RequestURI(), "sign.body_hash": sum, "sign.nonce": s.nonce()}}
	key := []byte(s.setting(d.Key))
	if d.Derive != "" {
		key = []byte(s.mac(key, sc.expand(d.Derive)))
	}
	sc.values["sign.result"] = s.mac(key, sc.expand(d.Text))
	for k, v := range d.Headers {
		req.Header.Set(k, sc.expand(v))
	}
	if user := s.c.Auth.Username; user != "" {
		req.SetBasicAuth(s.setting(user), sc.values["sign.result"].(string))
	}
	return nil
}

func (s *signer) mac(key []byte, text string) string {
	h := hmac.New(hashes[strings.TrimPrefix(s.c.Auth.Sign.Algorithm, "hmac-")], key)
	h.Write([]byte(text))
	return s.encode(h.Sum(nil))
}

func (s *signer) encode(sum []byte) string {
	if s.c.Auth.Sign.Encoding == "base64" {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

func (s *signer) date() string {
	now := s.opt.Now().UTC()
	if f := s.c.Auth.Sign.Date; f != "rfc1123" {
		return formatTime(now, f)
	}
	return now.Format(time.RFC1123Z)
}

// bodyHash is the hash of the body, "" when there is none.
func (s *signer) bodyHash(req *http.Request) (string, error) {
	if req.GetBody == nil {
		return "", nil
	}
	body, err := req.GetBody()
	if err != nil {
		return "", err
	}
	h := hashes[s.c.Auth.Sign.BodyHash]()
	if n, err := io.Copy(h, body); err != nil || n == 0 {
		return "", err
	}
	return s.encode(h.Sum(nil)), nil
}
