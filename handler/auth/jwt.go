package auth

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
func (c *credentials) ownToken(context.Context) (token, error) {
	life := time.Duration(c.decl.Lifetime)
	value, err := c.sign(life)
	return token{value, life}, err
}

// statement is a JWT that proves who asks for a token (RFC 7523).
func (c *credentials) statement() (string, error) { return c.sign(statementLife) }

// sign makes a JWT (RFC 7519) with the claims that the connector names.
func (c *credentials) sign(life time.Duration) (string, error) {
	a := c.decl
	method := jwt.GetSigningMethod(a.Algorithm)
	key, err := parseKey(a.Algorithm, c.setting(a.PrivateKey))
	if err != nil {
		return "", c.Fail(engine.Auth, "wrong_credentials", "check "+c.SecretSettings(), err, 0)
	}
	now := c.Now()
	// A little earlier: their clock may be behind.
	claims := jwt.MapClaims{"iat": now.Add(-10 * time.Second).Unix(), "exp": now.Add(life).Unix(), "jti": uuid.NewString()}
	for k, v := range a.Claims {
		if v = c.setting(v); v != "" {
			claims[k] = v
		}
	}
	t := jwt.NewWithClaims(method, claims)
	if id := c.setting(a.KeyID); id != "" {
		t.Header["kid"] = id
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return "", c.Fail(engine.Auth, "wrong_credentials", "check "+c.SecretSettings(), errors.New("the private key does not fit the algorithm "+a.Algorithm), 0)
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
