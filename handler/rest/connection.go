// Package rest lists a stream that a connector declares over a REST API: it
// makes requests from the declaration, follows pages, looks up details step by
// step, waits for jobs, and keeps to the provider's rate limit. Package auth proves
// who asks, package answer says what it means when something else comes.
//
// A Connection is what the streams of one connection share: credentials, rate
// limit, origin. A Source lists one stream with it. Requests never leave the
// origin that the connection is configured for, whatever a response says, and no
// error text holds a credential.
package rest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/auth"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Options are what a connection adds to a connector's declaration.
type Options struct {
	Name      string            // of the connection; default: the connector's
	BaseURL   string            // overrides the connector's; http:// only for loopback
	Settings  map[string]string // by name, secrets resolved
	Transport http.RoundTripper // sends the requests; nil: the usual one
	// Through, when set, is put before what sends the requests, such as to record or to
	// observe them; cover takes the connection's secrets out of a text.
	Through   func(next http.RoundTripper, cover func(string) string) http.RoundTripper
	Now       func() time.Time // nil: the machine's clock
	UserAgent string
	// PrivateNetwork allows a base_url whose name leads to a private address.
	PrivateNetwork bool
	// Log has a line for each request at debug; nil: none.
	Log *slog.Logger
	// Azure gives tokens of Microsoft Entra ID for Sluice's own identity.
	Azure auth.AzureToken
	// Keep stores a credential that the provider replaces, such as a refresh
	// token, sealed.
	Keep auth.Keeper
}

// Connection is what the streams of a connection share. Several goroutines may
// use it.
type Connection struct {
	c       *spec.Connector
	base    *url.URL
	opt     Options
	client  *http.Client
	dialer  *net.Dialer
	secrets *auth.Secrets
	owner   auth.Owner // of the credentials
	errs    *answer.Errors
	auth    auth.Authenticator

	mu        sync.Mutex
	notBefore time.Time // our share of the rate limit is used up until then
}

// Open prepares a connection of connector c. Nothing is sent yet.
func Open(c *spec.Connector, opt Options) (*Connection, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	r := &Connection{c: c, opt: opt, dialer: newDialer()}
	var err error
	if r.secrets, err = auth.NewSecrets(c, opt.Settings); err != nil {
		return nil, err
	}
	r.errs = &answer.Errors{Connector: c, HostSetting: "base_url", Now: opt.Now, Cover: r.secrets}
	base := opt.BaseURL
	if base == "" {
		base, r.errs.HostSetting = r.setting(c.BaseURL), r.errs.SettingIn(c.BaseURL, "base_url")
	}
	if r.base, err = netguard.ParseBase(base); err != nil {
		return nil, fmt.Errorf("base_url of %s: %w", c.Name, err)
	}
	r.errs.Base = r.base
	r.owner = auth.Owner{Errors: r.errs, Settings: opt.Settings, Secrets: r.secrets, UserAgent: opt.UserAgent, Call: r.call, Azure: opt.Azure, Keep: opt.Keep}
	if err := r.openClient(); err != nil {
		return nil, err
	}
	r.auth = auth.New(&c.Auth, r.owner)
	return r, nil
}

// Origin is the scheme and host that requests go to.
func (r *Connection) Origin() string { return r.base.Scheme + "://" + r.base.Host }

// BeginLogin prepares a login after which the browser comes back to redirect.
func (r *Connection) BeginLogin(redirect string) *auth.Login {
	return auth.BeginLogin(&r.c.Auth, r.owner, redirect)
}

// own are credentials of a part of the connection's own. What is kept is the
// connection's.
func (r *Connection) own(decl *spec.Auth, label string) auth.Authenticator {
	o := r.owner
	o.Label, o.Keep = label+" ", nil
	return auth.New(decl, o)
}

// call makes a request without credentials, such as one for them, and reads the answer.
func (r *Connection) call(ctx context.Context, declared *spec.Request) (*http.Response, []byte, error) {
	l := (&Source{Connection: r, s: &spec.Stream{}}).single(declared, nil)
	l.cred = &spec.Auth{}
	req, err := l.request(ctx, &scope{settings: r.opt.Settings}, "")
	if err != nil {
		return nil, nil, r.fail(engine.Permanent, "bad_request", "", err, 0)
	}
	if err := r.owner.Sendable(req); err != nil {
		return nil, nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, nil, r.networkError(err)
	}
	defer resp.Body.Close()
	body, err := l.read(ctx, resp)
	return resp, body, err
}

// openClient makes the client that sends requests, with the certificate that it
// shows where the connector says so.
func (r *Connection) openClient() error {
	transport := r.opt.Transport
	if transport == nil {
		t := r.guardedTransport()
		cert, err := auth.Certificate(&r.c.Auth, r.owner)
		if err != nil {
			return err
		}
		if cert != nil {
			t.TLSClientConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		}
		transport = t
	}
	transport = &patient{transport, headPatience, idlePatience}
	if r.opt.Through != nil {
		transport = r.opt.Through(transport, r.secrets.Redact)
	}
	if r.opt.Log != nil {
		transport = &traced{transport, r.opt.Log, r}
	}
	r.client = &http.Client{Timeout: callPatience, CheckRedirect: r.checkRedirect, Transport: transport}
	r.owner.Tokens = &http.Client{Timeout: tokenPatience, CheckRedirect: netguard.NotSentOn, Transport: transport}
	return nil
}

// setting expands the settings in a text.
func (r *Connection) setting(text string) string {
	return (&scope{settings: r.opt.Settings}).expand(text)
}

// Parts are the parts that stream s is collected in; one without a name when it
// is not.
func (r *Connection) Parts(s *spec.Stream) []string {
	f := s.ForEach
	if f == nil {
		return []string{""}
	}
	var parts []string
	for _, p := range strings.Split(r.opt.Settings[f.Setting], ",") {
		if p = strings.TrimSpace(p); p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return f.Values
	}
	return parts
}

// Name is the connection's.
func (r *Connection) Name() string { return cmp.Or(r.opt.Name, r.c.Name) }

// Connector is the one that this is a connection of.
func (r *Connection) Connector() *spec.Connector { return r.c }

// Now is the connection's clock.
func (r *Connection) Now() time.Time { return r.opt.Now() }

// Compile returns the program that makes rows of a part of stream s.
func (r *Connection) Compile(s *spec.Stream, part string) (*kql.Program, error) {
	return s.Compile(r.c.Table(s.Table), r.c.Constants(r.Name(), part, r.opt.Settings))
}

func (r *Connection) checkRedirect(req *http.Request, via []*http.Request) error {
	if !r.sameOrigin(req.URL) {
		return fmt.Errorf("redirected to another origin: %s", r.foreign(req.URL.Host, 100))
	}
	if len(via) >= 5 {
		return errors.New("redirected too often")
	}
	return nil
}
