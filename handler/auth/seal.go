package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
)

// sealer encrypts what is stored with a key made of the credentials that a person
// gave: whoever reads the store without them has nothing.
type sealer struct {
	aead  cipher.AEAD
	nonce []byte // key of the nonces
}

// newSealer makes a sealer of a secret; info tells what it is for, and salt for whom.
func newSealer(secret, salt, info string) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), []byte(salt), info, 64)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{aead, key[32:]}, err
}

// randomSealer makes a sealer whose key is gone with the process.
func randomSealer() *sealer {
	s, err := newSealer(rand.Text(), "", "sluice")
	if err != nil {
		panic(err)
	}
	return s
}

// seal encrypts a text. The nonce is made of the text: the same text is sealed alike,
// and no two share a nonce.
func (s *sealer) seal(text string) []byte {
	h := hmac.New(sha256.New, s.nonce)
	h.Write([]byte(text))
	nonce := h.Sum(nil)[:s.aead.NonceSize()]
	return s.aead.Seal(nonce, nonce, []byte(text), nil)
}

func (s *sealer) open(sealed []byte) (string, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return "", errors.New("it is cut short")
	}
	text, err := s.aead.Open(nil, sealed[:n], sealed[n:], nil)
	return string(text), err
}
