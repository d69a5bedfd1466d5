// Package answer says what an answer of a provider means that is not what was asked
// for, or why there is none: as an engine.Error, in words for a person. Statuses, rate
// limits, web pages in the place of data, networks and certificates; with the setting to
// check. Nothing that a provider has sent goes into an error before the credentials in
// it are covered and it is safe to print.
package answer

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Errors makes the errors of one connection. Several goroutines may use it.
type Errors struct {
	Connector   *spec.Connector
	Base        *url.URL // where the provider is
	HostSetting string   // what names its host: base_url, or a setting
	Now         func() time.Time
	Cover       Cover
}

// Cover takes a connection's credentials out of a text.
type Cover interface {
	// Redact replaces them, whatever encoding they are in.
	Redact(text string) string
	// Begin is the beginning of a text, as much as a person would read of it, redacted.
	Begin(text string) string
}

// Fail is an error of this connection. Reason is one of those in the engine's README; a
// hint says what to do; wait is how long a provider asks to wait.
func (e *Errors) Fail(kind engine.Kind, reason, hint string, err error, wait time.Duration) error {
	return &engine.Error{Kind: kind, Op: "ask " + e.Connector.Name, Reason: reason, Hint: hint, Err: err, Wait: wait}
}

// SettingIn names the first setting in a text of the connector's, or what the text
// is for when there is none.
func (e *Errors) SettingIn(text, otherwise string) string {
	if m := spec.Placeholder.FindStringSubmatch(text); m != nil {
		return "the setting " + m[1] + " (" + e.Connector.EnvName(m[1]) + ")"
	}
	return otherwise
}

// SecretSettings names the credentials for a person.
func (e *Errors) SecretSettings() string {
	var names []string
	for _, s := range e.Connector.Secrets() {
		names = append(names, s+" ("+e.Connector.EnvName(s)+")")
	}
	return strings.Join(names, ", ")
}

// Says says in words what came instead of what was asked for.
func (e *Errors) Says(who string, resp *http.Response, body []byte) error {
	text := e.After(body)
	if IsHTML(resp.Header.Get("Content-Type"), body) {
		text = " with a web page"
	}
	return fmt.Errorf("%s answered %d %s%s", who, resp.StatusCode, http.StatusText(resp.StatusCode), text)
}

// After is the beginning of a body, behind a colon.
func (e *Errors) After(body []byte) string {
	if text := e.Snippet(body); text != "" {
		return ": " + text
	}
	return ""
}

// Snippet is the beginning of an error's body, safe to print.
func (e *Errors) Snippet(body []byte) string {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("<")) {
		return "" // HTML helps nobody
	}
	return e.Foreign(string(body[:min(len(body), 64<<10)]), 300)
}

// Foreign is a text of the provider's, safe to print and to keep.
func (e *Errors) Foreign(text string, most int) string {
	return clean(e.Cover.Begin(text), most)
}

// Scrub redacts the text of an error and keeps its chain.
func (e *Errors) Scrub(err error) error {
	if text := e.Cover.Redact(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// clean cuts text and replaces what could disturb a terminal or a log.
func clean(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// IsHTML reports whether a page for people has come instead of data.
func IsHTML(kind string, body []byte) bool {
	start := bytes.ToLower(bytes.TrimLeft(body[:min(len(body), 200)], " \t\r\n"))
	return bytes.HasPrefix(start, []byte("<")) && (strings.HasPrefix(kind, "text/html") || bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html")))
}
