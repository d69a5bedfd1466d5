package auth

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// everyByte writes each byte of a text in a form of its own.
func everyByte(format string) func(string) string {
	return func(s string) string {
		var out strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&out, format, c)
		}
		return out.String()
	}
}

// everyUnit does the same with the units of UTF-16.
func everyUnit(format string) func(string) string {
	return func(s string) string {
		var out strings.Builder
		for _, c := range utf16.Encode([]rune(s)) {
			fmt.Fprintf(&out, format, c)
		}
		return out.String()
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

func inBase64(e *base64.Encoding, before, after string) func(string) string {
	return func(s string) string { return e.EncodeToString([]byte(before + s + after)) }
}

// encodings that a provider, or what is between, may write a credential in.
var everyEncoding = map[string]func(string) string{
	"as it is":              func(s string) string { return s },
	"in a query":            url.QueryEscape,
	"in a path":             url.PathEscape,
	"in percent, lower":     func(s string) string { return strings.ToLower(everyByte("%%%02X")(s)) },
	"in percent, all":       everyByte("%%%02X"),
	"in percent, twice":     func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"in JSON":               quoted,
	"in JSON, with slashes": func(s string) string { return strings.ReplaceAll(quoted(s), "/", `\/`) },
	"in JSON, all":          everyUnit(`\u%04x`),
	"in JSON, all, upper":   everyUnit(`\u%04X`),
	"in JSON in JSON":       func(s string) string { return quoted(quoted(s)) },
	"in a program":          everyByte(`\x%02x`),
	"in HTML":               html.EscapeString,
	"in XML":                strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&apos;", "<", "&lt;", ">", "&gt;").Replace,
	"in HTML, decimal":      everyUnit("&#%d;"),
	"in HTML, hexadecimal":  everyUnit("&#x%X;"),
	"in HTML, of a URL":     func(s string) string { return html.EscapeString("a=1&b=" + url.QueryEscape(s) + "&c=2") },
	"in hex":                func(s string) string { return hex.EncodeToString([]byte(s)) },
	"in hex, upper":         everyByte("%02X"),
	"in hex, with colons":   func(s string) string { return strings.Trim(everyByte("%02x:")(s), ":") },
	"in base64":             inBase64(base64.StdEncoding, "", ""),
	"in base64 behind 1":    inBase64(base64.StdEncoding, "u", ""),
	"in base64 behind 2":    inBase64(base64.RawStdEncoding, "me", ":"),
	"in base64 behind 3":    inBase64(base64.URLEncoding, "me:", "::"),
	"in base64 of URLs":     inBase64(base64.RawURLEncoding, "user:", "?"),
	"in base64 in a query":  func(s string) string { return url.QueryEscape(inBase64(base64.StdEncoding, "\xff", "\xff")(s)) },
	"in base64 in lines": func(s string) string {
		b := inBase64(base64.StdEncoding, "x", "y")(s)
		return b[:len(b)/2] + "\r\n" + b[len(b)/2:]
	},
}

// leaks reports whether a text has a part of a credential, in any encoding.
func leaks(text, credential string) bool {
	for i := range len(credential) - 6 {
		part := credential[i : i+7]
		for _, encode := range everyEncoding {
			if e := encode(part); len(e) >= 7 && strings.Contains(text, e) {
				return true
			}
		}
	}
	return false
}

// TestNoEncodingHidesACredential: of credentials by chance, in surroundings by chance.
func TestNoEncodingHidesACredential(t *testing.T) {
	const chars = "abcXYZ0189+/=_-.~!*'();:@&$,?#[]%{}|\\\"<>^` \u00fc"
	random := rand.New(rand.NewPCG(14, 29))
	text := func(n int) string {
		runes := []rune(chars)
		var out strings.Builder
		for range n {
			out.WriteRune(runes[random.IntN(len(runes))])
		}
		return out.String()
	}
	around := func(n int) string { // no backslash or percent at its end, which would be a part of what follows
		return strings.Map(func(c rune) rune {
			if strings.ContainsRune(`\%&+/-`, c) || c >= '0' && c <= 'z' {
				return ' '
			}
			return c
		}, text(n))
	}
	for range 100 {
		credential := strings.TrimSpace(text(8 + random.IntN(40)))
		s := &Secrets{}
		s.Set("key", credential)
		for name, encode := range everyEncoding {
			before, after := around(random.IntN(9)), around(random.IntN(9))
			got := s.Redact(before + encode(credential) + after)
			if leaks(got, credential) || !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) || len(got) > len(before)+len(after)+40 {
				t.Fatalf("%s: %q between %q and %q becomes %q", name, credential, before, after, got)
			}
		}
	}
}

func TestTextsWithoutCredentialsStay(t *testing.T) {
	s := &Secrets{}
	s.Set("key", "correct horse")
	s.Set("short", "abc")
	for _, text := range []string{"", "abc", `{"a":"\u0041%41&amp;","b":"correct  horse"}`, strings.Repeat("%25", 3000), strings.Repeat(`\\u005c`, 3000), "\\", "%", "%4", `\u00`, `\ud800\u0041`, "&", "&#;", "Y29y"} {
		if got := s.Redact(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// TestTheLinesOfAKey are credentials too; what stands before each key is not.
func TestTheLinesOfAKey(t *testing.T) {
	text, _ := pemKey(t, "RSA")
	for _, key := range []string{text, strings.ReplaceAll(text, "\n", `\n`), strings.ReplaceAll(text, "\n", "\r\n")} {
		s := &Secrets{}
		s.Set("key", key)
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			got := s.Redact("before " + line + " after")
			if is := got == "before *** after"; is == strings.HasPrefix(line, "-----") && len(line) > 16 {
				t.Errorf("%q", got)
			}
		}
		if got := s.Redact(quoted(text)); len(got) > 10 && leaks(got, text) {
			t.Errorf("%q", got)
		}
	}
}

// TestNothingIsCutBeforeItIsRedacted: wherever in a long answer a credential is.
func TestNothingIsCutBeforeItIsRedacted(t *testing.T) {
	const key = "kA7+zQ/9=tok-0123456789"
	for _, encode := range everyEncoding {
		text := encode(key)
		for at := 8<<10 - 3*len(text)/2; at < 8<<10+8; at += len(text)/4 + 1 {
			s := &Secrets{}
			s.Set("key", key)
			if got := s.Begin(strings.Repeat("x", at) + " " + text + strings.Repeat(" y", 6<<10)); leaks(got, key) {
				t.Fatalf("at %d: …%q", at, got[max(0, at-10):])
			}
		}
	}
	a := newAsker(t, `{type: none}`, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, strings.Repeat(secret+" ", 80)+"\x1b[31m\r\n\u202e")
	}, nil)
	if err := a.get(t); leaks(err.Error(), secret) || !strings.Contains(err.Error(), "*** ***") {
		t.Errorf("%q", err)
	}
}

func sealed(t *testing.T, settings map[string]string) *Secrets {
	t.Helper()
	s, err := NewSecrets(declared(t, `{type: api_key, header: X, value: "{key}"}`), settings)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTokensWithCredentialsAreSealed, and opened by whoever has the same settings.
func TestTokensWithCredentialsAreSealed(t *testing.T) {
	const key = `k+/="odd & long`
	here, there := sealed(t, map[string]string{"key": key}), sealed(t, map[string]string{"key": key})
	rotated, open := sealed(t, map[string]string{"key": "another key"}), sealed(t, nil)
	open.Set(tokenName, key)
	for name, encode := range everyEncoding {
		token := "/events?after=1&key=" + encode(key)
		for _, s := range []*Secrets{here, open} {
			stored := s.Mask(token)
			if leaks(stored, key) || stored != s.Mask(token) || stored == s.Mask(token+"x") {
				t.Errorf("%s: %q is kept as %q", name, token, stored)
			}
			if got, err := s.Unmask(stored); got != token || err != nil {
				t.Errorf("%s: %q becomes %q, %v", name, token, got, err)
			}
		}
		if got, err := there.Unmask(here.Mask(token)); got != token || err != nil {
			t.Errorf("%s: another process opens %q, %v", name, got, err)
		}
		for _, s := range []*Secrets{rotated, sealed(t, nil)} {
			if got, err := s.Unmask(here.Mask(token)); got != "" || !errors.Is(err, engine.ErrTokenExpired) {
				t.Errorf("%s: without the credentials %q, %v", name, got, err)
			}
		}
	}
	if got := here.Mask("/plain?a=b"); got != "/plain?a=b" {
		t.Errorf("a plain token is kept as %q", got)
	}
}

// TestNoTokenPullsACredentialOut: neither one of the provider's that looks like one
// that was stored, nor one that was stored before tokens were sealed.
func TestNoTokenPullsACredentialOut(t *testing.T) {
	s := sealed(t, map[string]string{"key": secret})
	forged := []string{"\x01key\x01", "/a?x=\x01key\x01", "\x01?key\x01", "\x01", "\x01\x01", "\x01" + base64.RawURLEncoding.EncodeToString(make([]byte, 60)), s.Mask("has " + secret)}
	for _, token := range forged {
		if got, err := s.Unmask(s.Mask(token)); got != token || err != nil {
			t.Errorf("%q becomes %q, %v", token, got, err)
		}
	}
	for _, token := range forged[:6] {
		if got, err := s.Unmask(token); got != "" || !errors.Is(err, engine.ErrTokenExpired) {
			t.Errorf("%q of an old checkpoint becomes %q, %v", token, got, err)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("key%2Bsecret", `a\u0041&#x41;`, "YWJj", 0)
	names := []string{"as it is", "in JSON", "in HTML", "in a query", "in hex", "in base64 behind 1", "in base64 of URLs", "in JSON, all", "in percent, lower"}
	f.Fuzz(func(t *testing.T, credential, before, after string, how int) {
		credential = strings.TrimSpace(strings.ToValidUTF8(credential, ""))
		if len(credential) < 8 {
			return
		}
		s := &Secrets{}
		s.Set("key", credential)
		text := everyEncoding[names[uint(how)%uint(len(names))]](credential)
		if got := s.Redact(before + "\n" + text + "\n" + after); strings.Contains(got, "\n"+text+"\n") {
			t.Errorf("%q in %q", credential, got)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	s := &Secrets{}
	s.Set("key", "tok-0123456789abcdef0123456789")
	token := "/api/v1/logs?limit=1000&sortOrder=ASCENDING&since=2026-11-22T00%3A00%3A00Z&after=1795348860000_1"
	b.ReportAllocs()
	for b.Loop() {
		s.Mask(token)
	}
}
