package rest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// secrets are the credentials of a connection. What a provider sends may echo
// them, so nothing that came from one goes into an error, a log or the store
// before it went through here.
type secrets struct {
	mu     sync.RWMutex
	names  []string
	values []string
	forms  []string // all that a credential may look like, longest first
}

// set makes a credential known, or what has become of it.
func (s *secrets) set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.names, name); i >= 0 {
		s.values[i] = value
	} else {
		s.names, s.values = append(s.names, name), append(s.values, value)
	}
	s.forms = nil
	for _, v := range s.values {
		s.forms = append(s.forms, forms(v)...)
	}
	slices.SortFunc(s.forms, func(a, b string) int { return len(b) - len(a) })
}

// forms are a text and its encodings.
func forms(value string) []string {
	if len(value) < 4 { // too short to be told from other text
		return nil
	}
	quoted, _ := json.Marshal(value)
	list := []string{value, url.QueryEscape(value), url.PathEscape(value), strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(value))}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		list = append(list, e.EncodeToString([]byte(value)))
	}
	return list
}

// redact replaces credentials in a text.
func (s *secrets) redact(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, f := range s.forms {
		text = strings.ReplaceAll(text, f, "***")
	}
	return text
}

// A page token is stored. Where a provider puts a credential into the address of
// its next page, the token has a mark in its place.
const mark = "\x01"

// mask puts marks in the place of credentials.
func (s *secrets) mask(token string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, v := range s.values {
		if len(v) < 4 {
			continue
		}
		token = strings.ReplaceAll(token, v, mark+s.names[i]+mark)
		token = strings.ReplaceAll(token, url.QueryEscape(v), mark+"?"+s.names[i]+mark)
	}
	return token
}

// unmask puts the credentials, as they are now, in the place of marks.
func (s *secrets) unmask(token string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, v := range s.values {
		token = strings.ReplaceAll(token, mark+"?"+s.names[i]+mark, url.QueryEscape(v))
		token = strings.ReplaceAll(token, mark+s.names[i]+mark, v)
	}
	return token
}
