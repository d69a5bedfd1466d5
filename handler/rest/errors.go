package rest

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func (r *Connection) fail(kind engine.Kind, reason, hint string, err error, wait time.Duration) error {
	return &engine.Error{Kind: kind, Op: "ask " + r.c.Name, Reason: reason, Hint: hint, Err: err, Wait: wait}
}

// networkError classifies an error that came instead of a response of the provider.
func (r *Connection) networkError(err error) error {
	host, setting := r.base.Host, r.hostSetting()
	if ue := new(url.Error); errors.As(err, &ue) {
		if u, err := url.Parse(ue.URL); err == nil && u.Host != "" && !r.sameOrigin(u) {
			host, setting = r.foreign(u.Host, 100), "the address that the provider has named"
		}
	}
	return r.unreachable(host, setting, err)
}

// unreachable classifies an error that came instead of a response of host, which
// setting names.
func (r *Connection) unreachable(host, setting string, err error) error {
	var dns *net.DNSError
	var cert *x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var private *privateAddress
	var silent *silence
	reason, hint := "unreachable", "check the network and a proxy, if there is one"
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		reason, hint = "host_not_found", "check "+setting
	case errors.As(err, &cert) && cert.Reason == x509.Expired:
		reason, hint = "clock_or_certificate", "the certificate is not valid at this machine's time, "+r.opt.Now().UTC().Format(time.RFC3339)+": check the clock"
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &cert):
		reason, hint = "untrusted_certificate", "check "+setting+", and whether a proxy inspects TLS"
	case errors.As(err, &private):
		return r.fail(engine.Permanent, "private_address", "nothing was sent there; if the provider is in your own network, write private_network: true in the connection", fmt.Errorf("%s: %w", host, private), 0)
	case errors.As(err, &silent):
		reason, hint = "no_answer", "the provider, the network or a proxy is slow; if it is so each time, ask for fewer records in a page"
	case strings.Contains(err.Error(), "redirected"):
		return r.fail(engine.Permanent, "foreign_link", "nothing was sent there; check "+setting, r.scrub(err), 0)
	case host != r.base.Host:
		hint += "; and check " + setting
	}
	var ue *url.Error
	if errors.As(err, &ue) { // its text is the whole URL once more
		err = ue.Err
	}
	err = dialed(host, err)
	return r.fail(engine.Transient, reason, hint, fmt.Errorf("%s: %w", host, r.scrub(err)), 0)
}

// dialed is why host cannot be connected to, without the words of the library.
func dialed(host string, err error) error {
	op := new(net.OpError)
	if !errors.As(err, &op) || op.Op != "dial" {
		return err
	}
	sys := new(os.SyscallError)
	switch {
	case !errors.As(op.Err, &sys):
		return op.Err
	case op.Addr == nil || op.Addr.String() == host:
		return sys.Err
	}
	return fmt.Errorf("%w at %s", sys.Err, op.Addr)
}

// hostSetting says where the host's name comes from.
func (r *Connection) hostSetting() string {
	if r.opt.BaseURL != "" {
		return "base_url"
	}
	return r.settingIn(r.c.BaseURL, "base_url")
}

// settingIn names the first setting in a text of the connector's, or what the text
// is for when there is none.
func (r *Connection) settingIn(text, otherwise string) string {
	if m := spec.Placeholder.FindStringSubmatch(text); m != nil {
		return "the setting " + m[1] + " (" + r.c.EnvName(m[1]) + ")"
	}
	return otherwise
}

// answer says in words what came instead of what was asked for.
func (r *Connection) answer(who string, resp *http.Response, body []byte) error {
	text := r.after(body)
	if isHTML(resp.Header.Get("Content-Type"), body) {
		text = " with a web page"
	}
	return fmt.Errorf("%s answered %d %s%s", who, resp.StatusCode, http.StatusText(resp.StatusCode), text)
}

// statusError classifies a response that is no success. paged says that the
// request carried a page token.
func (r *Connection) statusError(resp *http.Response, body []byte, paged bool) error {
	code := resp.StatusCode
	cause := r.answer(r.foreign(resp.Request.URL.Host, 100), resp, body)
	switch {
	case tooOften(resp, body):
		return r.throttled(resp, cause)
	case code == http.StatusUnauthorized:
		return r.fail(engine.Auth, "wrong_credentials", "check "+r.secretSettings()+": it may be wrong, expired or revoked", cause, 0)
	case code == http.StatusForbidden:
		return r.fail(engine.Auth, "forbidden", "the credentials are known but not allowed to read this; see the connector's prerequisites", cause, 0)
	case code == http.StatusProxyAuthRequired:
		return r.fail(engine.Permanent, "proxy_refused", "the proxy wants a user and a password: write them in HTTPS_PROXY", cause, 0)
	case code == http.StatusRequestTimeout || code >= 500:
		return r.fail(engine.Transient, "provider_error", "", cause, 0)
	case paged && (code == http.StatusBadRequest || code == http.StatusNotFound || code == http.StatusGone):
		return fmt.Errorf("%w: %w", engine.ErrTokenExpired, cause)
	case code == http.StatusNotFound:
		return r.fail(engine.Permanent, "not_found", "check "+r.hostSetting()+" and the connection's other settings", cause, 0)
	}
	return r.fail(engine.Permanent, "bad_request", "", cause, 0)
}

// secretSettings names the credentials for a person.
func (r *Connection) secretSettings() string {
	var names []string
	for _, s := range r.c.Secrets() {
		names = append(names, s+" ("+r.c.EnvName(s)+")")
	}
	return strings.Join(names, ", ")
}

// snippet is the beginning of an error's body, safe to print.
func (r *Connection) snippet(body []byte) string {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("<")) {
		return "" // HTML helps nobody
	}
	return r.foreign(string(body[:min(len(body), 64<<10)]), 300)
}

// foreign is a text of the provider's, safe to print and to keep.
func (r *Connection) foreign(text string, most int) string {
	return clean(r.secrets.begin(text), most)
}

// scrub redacts the text of an error and keeps its chain.
func (r *Connection) scrub(err error) error {
	if text := r.secrets.redact(err.Error()); text != err.Error() {
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

// checkClock compares this machine's clock with that of whoever has answered.
func (r *Connection) checkClock(resp *http.Response) error {
	there, ok := netguard.Date(resp.Header)
	if ahead := r.opt.Now().Sub(there); ok && ahead > engine.MaxSkew {
		return r.fail(engine.Permanent, "clock_wrong", "set this machine's clock; the position stays",
			fmt.Errorf("this machine's clock is %s ahead of %s", ahead.Round(time.Second), r.base.Host), 0)
	}
	return nil
}
