// Package rest lists a stream that a connector declares over a REST API: it
// makes requests from the declaration, follows pages, looks up details step by
// step, waits for jobs, keeps to the provider's rate limit and classifies errors.
//
// A Connection is what the streams of one connection share: credentials, rate
// limit, origin. A Source lists one stream with it. Requests never leave the
// origin that the connection is configured for, whatever a response says, and no
// error text holds a credential.
package rest

import (
	"cmp"
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
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Options are what a connection adds to a connector's declaration.
type Options struct {
	Name      string            // of the connection; default: the connector's
	BaseURL   string            // overrides the connector's; http:// only for loopback
	Settings  map[string]string // by name, secrets resolved
	Transport http.RoundTripper // sends the requests; nil: the usual one
	// Through, when set, is put before what sends the requests, such as to record them.
	Through   func(next http.RoundTripper) http.RoundTripper
	Now       func() time.Time // nil: the machine's clock
	UserAgent string
	// PrivateNetwork allows a base_url whose name leads to a private address.
	PrivateNetwork bool
	// Log has a line for each request at debug; nil: none.
	Log *slog.Logger
	// Azure gives tokens of Microsoft Entra ID for Sluice's own identity.
	Azure AzureToken
	// Keep stores a credential that the provider replaces, such as a refresh
	// token, sealed.
	Keep Keeper
}

// Connection is what the streams of a connection share. Several goroutines may
// use it.
type Connection struct {
	c       *spec.Connector
	base    *url.URL
	opt     Options
	client  *http.Client
	tokens  *http.Client // sends requests for tokens, which are never sent on
	dialer  *net.Dialer
	secrets *secrets
	errs    *answer.Errors
	label   string // before the names of what becomes of credentials, to tell a step's own
	auth    authenticator

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
	if r.secrets, err = newSecrets(c, opt.Settings); err != nil {
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
	if err := r.openClient(); err != nil {
		return nil, err
	}
	r.auth = newAuthenticator(r)
	return r, nil
}

// Origin is the scheme and host that requests go to.
func (r *Connection) Origin() string { return r.base.Scheme + "://" + r.base.Host }

// as is the connection with credentials of a step's own.
func (r *Connection) as(a *spec.Auth, label string) *Connection {
	c, opt := *r.c, r.opt
	c.Auth, opt.Keep = *a, nil // what is kept is the connection's
	return &Connection{c: &c, base: r.base, opt: opt, client: r.client, tokens: r.tokens, dialer: r.dialer, secrets: r.secrets, errs: r.errs, label: label + " "}
}

// openClient makes the client that sends requests, with the certificate that it
// shows where the connector says so.
func (r *Connection) openClient() error {
	transport := r.opt.Transport
	if transport == nil {
		t := r.guardedTransport()
		if r.c.Auth.Certificate != "" {
			cert, err := tls.X509KeyPair([]byte(r.setting(r.c.Auth.Certificate)), []byte(r.setting(r.c.Auth.CertKey)))
			if err != nil { // its text may quote the key
				return fmt.Errorf("%s: the client certificate and its key are no pair of PEM texts; check %s", r.c.Name, r.errs.SecretSettings())
			}
			t.TLSClientConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		}
		transport = t
	}
	transport = &patient{transport, headPatience, idlePatience}
	if r.opt.Through != nil {
		transport = r.opt.Through(transport)
	}
	if r.opt.Log != nil {
		transport = &traced{transport, r.opt.Log, r}
	}
	r.client = &http.Client{Timeout: callPatience, CheckRedirect: r.checkRedirect, Transport: transport}
	r.tokens = &http.Client{Timeout: tokenPatience, CheckRedirect: netguard.NotSentOn, Transport: transport}
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

// Stream prepares a part of stream s for the engine: its requests, its rows and
// the facts of its position.
func (r *Connection) Stream(s *spec.Stream, part string) (*engine.Stream, error) {
	connection := cmp.Or(r.opt.Name, r.c.Name)
	prog, err := s.Compile(r.c.Table(s.Table), r.c.Constants(connection, part, r.opt.Settings))
	if err != nil {
		return nil, err
	}
	name := s.Name
	if part != "" {
		name += "." + url.PathEscape(part)
	}
	src := r.Source(s, part)
	src.recognize(prog)
	return &engine.Stream{Connection: connection, Connector: r.c.Name, Name: name, Tables: []engine.Table{tableOf(r.c.Table(s.Table))},
		Source: src, Mapper: sentinel.NewMapper(prog, r.opt.Now), Position: facts(s, src.moves()), MaxPages: s.Paging.MaxPages, Asks: r.asks(s, part), Shared: shared(r.c, s)}, nil
}

func tableOf(t *spec.Table) engine.Table {
	out := engine.Table{Name: t.Name}
	for _, c := range t.AllColumns() {
		out.Columns = append(out.Columns, engine.Column{Name: c.Name, Type: c.Type})
	}
	return out
}

// shared reports whether a stream's table has rows of other streams, or of several
// parts: each may count its records from 1.
func shared(c *spec.Connector, s *spec.Stream) bool {
	n := 0
	for i := range c.Streams {
		if c.Streams[i].Table == s.Table {
			n++
		}
	}
	return n > 1 || s.ForEach != nil
}

// facts turns the position that a stream declares into what the engine needs; moving
// says that the provider itself moves on with each request.
func facts(s *spec.Stream, moving bool) engine.Position {
	p := &s.Position
	kind := engine.PositionKind(p.Type)
	if p.Type == "window" {
		kind = engine.Windows
	}
	// Where a list leads to the records, it is the list that is in order.
	indirect := s.Job != nil || len(s.Steps) > 0
	return engine.Position{
		Kind: kind, Every: time.Duration(p.Every), Moving: moving, Indirect: indirect,
		Lag: time.Duration(p.Lag), Overlap: time.Duration(p.Overlap), MaxWindow: time.Duration(p.MaxWindow), Granularity: time.Duration(p.Granularity),
		Retention: time.Duration(p.Retention), Ascending: p.Order == "ascending" && !indirect, FromExclusive: strings.HasPrefix(p.Bounds, "("),
		ToInclusive: strings.HasSuffix(p.Bounds, "]"),
	}
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
