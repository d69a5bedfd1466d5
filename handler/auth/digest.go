package auth

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// digest answers the challenges of HTTP Digest authentication (RFC 7616) for
// qop=auth, which is what providers ask for.
type digest struct {
	c *credentials

	mu        sync.Mutex
	challenge map[string]string // the parameters of the last one
	count     int               // requests with its nonce
}

var challengeParam = regexp.MustCompile(`([a-zA-Z]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))`)

// Refused reads the challenge. A second refusal in a row is a wrong password,
// unless the provider says that only its nonce is old.
func (d *digest) Refused(resp *http.Response) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range resp.Header.Values("WWW-Authenticate") {
		rest, ok := strings.CutPrefix(h, "Digest ")
		if !ok {
			continue
		}
		params := map[string]string{}
		for _, m := range challengeParam.FindAllStringSubmatch(rest, -1) {
			params[strings.ToLower(m[1])] = m[2] + m[3]
		}
		if digestHash(params["algorithm"]) == nil || params["nonce"] == "" {
			continue
		}
		d.challenge, d.count = params, 0
		return true
	}
	return false
}

func digestHash(algorithm string) func() hash.Hash {
	switch strings.ToUpper(strings.TrimSuffix(algorithm, "-sess")) {
	case "", "MD5":
		return md5.New
	case "SHA-256":
		return sha256.New
	}
	return nil
}

func (d *digest) Apply(_ context.Context, req *http.Request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.challenge == nil { // the first request is refused, and says what it wants
		return nil
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	d.count++
	req.Header.Set("Authorization", d.answer(req.Method, req.URL.RequestURI(), hex.EncodeToString(random[:])))
	return nil
}

// answer is the header that answers the challenge.
func (d *digest) answer(method, uri, cnonce string) string {
	p, a := d.challenge, d.c.decl
	user, password := d.c.setting(a.Username), d.c.setting(a.Password)
	sum := func(parts ...string) string {
		h := digestHash(p["algorithm"])()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	secret := sum(user, p["realm"], password)
	if strings.HasSuffix(strings.ToLower(p["algorithm"]), "-sess") {
		secret = sum(secret, p["nonce"], cnonce)
	}
	count := fmt.Sprintf("%08x", d.count)
	header := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, p["realm"], p["nonce"], uri)
	if p["qop"] != "" {
		header += fmt.Sprintf(`, response="%s", qop=auth, nc=%s, cnonce="%s"`, sum(secret, p["nonce"], count, cnonce, "auth", sum(method, uri)), count, cnonce)
	} else {
		header += fmt.Sprintf(`, response="%s"`, sum(secret, p["nonce"], sum(method, uri)))
	}
	if p["algorithm"] != "" {
		header += ", algorithm=" + p["algorithm"]
	}
	if p["opaque"] != "" {
		header += fmt.Sprintf(`, opaque="%s"`, p["opaque"])
	}
	return header
}
