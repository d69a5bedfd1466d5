package rest

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// statementLife is how long a signed statement is valid: long enough to be sent,
// and within what issuers take.
const statementLife = 5 * time.Minute

// ownToken is a token that is signed here.
func (r *Connection) ownToken(context.Context) (token, error) {
	life := time.Duration(r.c.Auth.Lifetime)
	value, err := r.sign(life)
	return token{value, life}, err
}

// statement is a JWT that proves who asks for a token (RFC 7523).
func (r *Connection) statement() (string, error) { return r.sign(statementLife) }

// sign makes a JWT (RFC 7519) with the claims that the connector names.
func (r *Connection) sign(life time.Duration) (string, error) {
	a := &r.c.Auth
	method := jwt.GetSigningMethod(a.Algorithm)
	key, err := parseKey(a.Algorithm, r.setting(a.PrivateKey))
	if err != nil {
		return "", r.fail(engine.Auth, "wrong_credentials", "check "+r.errs.SecretSettings(), err, 0)
	}
	now := r.opt.Now()
	// A little earlier: their clock may be behind.
	claims := jwt.MapClaims{"iat": now.Add(-10 * time.Second).Unix(), "exp": now.Add(life).Unix(), "jti": uuid.NewString()}
	for k, v := range a.Claims {
		if v = r.setting(v); v != "" {
			claims[k] = v
		}
	}
	t := jwt.NewWithClaims(method, claims)
	if id := r.setting(a.KeyID); id != "" {
		t.Header["kid"] = id
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return "", r.fail(engine.Auth, "wrong_credentials", "check "+r.errs.SecretSettings(), errors.New("the private key does not fit the algorithm "+a.Algorithm), 0)
	}
	return signed, nil
}

// parseKey reads a key in PEM. App settings have one line: \n stands for its ends.
// No error tells what it read.
func parseKey(algorithm, text string) (crypto.PrivateKey, error) {
	if strings.HasPrefix(algorithm, "HS") {
		return []byte(text), nil
	}
	pem := []byte(strings.ReplaceAll(text, `\n`, "\n"))
	var key crypto.PrivateKey
	var err error
	if strings.HasPrefix(algorithm, "ES") {
		key, err = jwt.ParseECPrivateKeyFromPEM(pem)
	} else {
		key, err = jwt.ParseRSAPrivateKeyFromPEM(pem)
	}
	if err != nil {
		return nil, fmt.Errorf("the private key is no PEM text of a key for %s (-----BEGIN PRIVATE KEY-----)", algorithm)
	}
	return key, nil
}
