package rest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// secrets are the credentials of a connection. What a provider sends may echo
// them, so nothing that came from one goes into an error, a log or the store
// before it went through here.
type secrets struct {
	names  []string
	values []string
	forms  []string // all that a credential may look like, longest first
}

func (s *secrets) add(name, value string) {
	s.names, s.values = append(s.names, name), append(s.values, value)
	s.know(value)
}

// know adds a text and its encodings to what is redacted.
func (s *secrets) know(value string) {
	if len(value) < 4 { // too short to be told from other text
		return
	}
	quoted, _ := json.Marshal(value)
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(value))}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		forms = append(forms, e.EncodeToString([]byte(value)))
	}
	s.forms = append(s.forms, forms...)
	slices.SortFunc(s.forms, func(a, b string) int { return len(b) - len(a) })
	s.forms = slices.Compact(s.forms)
}

// redact replaces credentials in a text.
func (s *secrets) redact(text string) string {
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
	for i, v := range s.values {
		token = strings.ReplaceAll(token, mark+"?"+s.names[i]+mark, url.QueryEscape(v))
		token = strings.ReplaceAll(token, mark+s.names[i]+mark, v)
	}
	return token
}
