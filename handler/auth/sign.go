package auth

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
	"github.com/sluice-connectors/sluice/handler/spec"
)

// signer signs each request.
type signer struct {
	*credentials
	nonce func() string
}

func newSigner(c *credentials) *signer { return &signer{c, uuid.NewString} }

var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

func (s *signer) Refused(*http.Response) bool { return false }

func (s *signer) Apply(_ context.Context, req *http.Request) error {
	d := s.decl.Sign
	sum, err := s.bodyHash(req)
	if err != nil {
		return s.Fail(engine.Permanent, "bad_request", "", err, 0)
	}
	query := strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20") // sorted by name, RFC 3986
	req.URL.RawQuery = query
	values := map[string]string{
		"sign.date": s.date(), "sign.method": req.Method, "sign.scheme": req.URL.Scheme, "sign.host": strings.ToLower(req.URL.Host),
		"sign.path": req.URL.EscapedPath(), "sign.query": query, "sign.target": req.URL.RequestURI(), "sign.body_hash": sum, "sign.nonce": s.nonce()}
	expand := func(text string) string {
		return spec.Expand(text, func(name, _ string) string {
			if v, ok := values[name]; ok {
				return v
			}
			return s.Settings[name]
		})
	}
	key := []byte(s.setting(d.Key))
	if d.Derive != "" {
		key = []byte(s.mac(key, expand(d.Derive)))
	}
	values["sign.result"] = s.mac(key, expand(d.Text))
	for k, v := range d.Headers {
		req.Header.Set(k, expand(v))
	}
	if user := s.decl.Username; user != "" {
		req.SetBasicAuth(s.setting(user), values["sign.result"])
	}
	return nil
}

func (s *signer) mac(key []byte, text string) string {
	h := hmac.New(hashes[strings.TrimPrefix(s.decl.Sign.Algorithm, "hmac-")], key)
	h.Write([]byte(text))
	return s.encode(h.Sum(nil))
}

func (s *signer) encode(sum []byte) string {
	if s.decl.Sign.Encoding == "base64" {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

func (s *signer) date() string {
	now := s.Now().UTC()
	if f := s.decl.Sign.Date; f != "rfc1123" {
		return spec.FormatTime(now, f)
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
	h := hashes[s.decl.Sign.BodyHash]()
	if n, err := io.Copy(h, body); err != nil || n == 0 {
		return "", err
	}
	return s.encode(h.Sum(nil)), nil
}
