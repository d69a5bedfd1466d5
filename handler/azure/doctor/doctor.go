// Package doctor looks at what Sluice needs from its surroundings: whether an
// address has a name, TLS and the right time, and whether a table has the columns
// that are sent to it. It changes nothing.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Status is how a check ended.
type Status string

// The ends of a check. Skipped ones could not be made, and say what they need.
const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skipped Status = "skipped"
)

// Check is one thing that was looked at.
type Check struct {
	What    string `json:"check"`   // identity, dns, tls …
	Subject string `json:"subject"` // of what: an address, a table, a rule
	Status  Status `json:"status"`
	Found   string `json:"found"`
	Do      string `json:"do,omitempty"` // what to do when it is not ok
}

// Network reaches addresses; tests have a resolver and roots of their own.
type Network struct {
	Resolve func(ctx context.Context, host string) ([]string, error)
	TLS     *tls.Config
	Now     func() time.Time
	Timeout time.Duration
}

// System is the machine's network.
func System() *Network {
	return &Network{Resolve: net.DefaultResolver.LookupHost, TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Now: time.Now, Timeout: 10 * time.Second}
}

// expiresSoon is when a certificate is worth a warning.
const expiresSoon = 14 * 24 * time.Hour

// Reach checks the way to an address: its name, TLS, and the time that it has.
func (n *Network) Reach(ctx context.Context, purpose, address string) []Check {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return []Check{{"dns", purpose, Fail, fmt.Sprintf("%q is no address", address), "correct the setting"}}
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		if u.Scheme != "https" {
			return []Check{{"dns", u.Host, OK, "on this machine (" + purpose + ")", ""}}
		}
	}
	subject := u.Host + " (" + purpose + ")"
	ctx, cancel := context.WithTimeout(ctx, n.Timeout)
	defer cancel()
	addrs, err := n.Resolve(ctx, u.Hostname())
	if err != nil || len(addrs) == 0 {
		return []Check{{"dns", subject, Fail, fmt.Sprintf("the name leads nowhere: %v", reason(err)), "check the address; in a private network, its private DNS zone and the link to it"}}
	}
	kind := "public"
	if slices.ContainsFunc(addrs, func(a string) bool { ip := net.ParseIP(a); return ip != nil && ip.IsPrivate() }) {
		kind = "private"
	}
	return append([]Check{{"dns", subject, OK, fmt.Sprintf("%s (%s)", strings.Join(addrs, ", "), kind), ""}}, n.secure(ctx, subject, u)...)
}

// secure checks TLS and, since it asks anyway, the time.
func (n *Network) secure(ctx context.Context, subject string, u *url.URL) []Check {
	var state *tls.ConnectionState
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: n.TLS, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return []Check{{"tls", subject, Fail, err.Error(), "correct the address"}}
	}
	asked := n.Now()
	resp, err := client.Do(req)
	if err != nil {
		return []Check{{"tls", subject, Fail, reason(err).Error(), "check firewall and proxy; a proxy that opens TLS needs its root among the system's"}}
	}
	resp.Body.Close()
	state = resp.TLS
	var checks []Check
	if state != nil && len(state.PeerCertificates) > 0 {
		left := state.PeerCertificates[0].NotAfter.Sub(n.Now())
		c := Check{"tls", subject, OK, fmt.Sprintf("%s, certificate for %d days", tls.VersionName(state.Version), int(left.Hours()/24)), ""}
		if left < expiresSoon {
			c.Status, c.Do = Warn, "the certificate ends soon: whoever keeps it has to renew it"
		}
		checks = append(checks, c)
	}
	if c, ok := clock(subject, resp.Header.Get("Date"), asked, n.Now()); ok {
		checks = append(checks, c)
	}
	return checks
}

// clock compares the time of an answer with ours. A clock that is two minutes ahead
// stops a run; the answer's time is whole seconds.
func clock(subject, date string, asked, now time.Time) (Check, bool) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return Check{}, false
	}
	var off time.Duration
	switch {
	case theirs.Before(asked.Add(-time.Second)):
		off = asked.Sub(theirs)
	case theirs.After(now):
		off = now.Sub(theirs)
	}
	c := Check{"clock", subject, OK, fmt.Sprintf("%s from theirs", off.Round(time.Second)), ""}
	switch abs := max(off, -off); {
	case abs > 2*time.Minute:
		c.Status, c.Do = Fail, "set this machine's clock: tokens and windows of time go by it"
	case abs > 30*time.Second:
		c.Status, c.Do = Warn, "set this machine's clock: what it is ahead counts against lag and overlap"
	}
	return c, true
}

// reason is the innermost cause of an error: what a person can act on.
func reason(err error) error {
	var op *net.OpError
	var u *url.Error
	switch {
	case err == nil:
		return errors.New("no address")
	case errors.As(err, &op):
		return op.Err
	case errors.As(err, &u):
		return u.Err
	}
	return err
}

// Column is a column of a table, with KQL's type.
type Column struct{ Name, Type string }

// Columns compares the columns that are sent with those that a table has.
func Columns(table string, want, have []engine.Column) Check {
	if len(have) == 0 {
		return Check{"table", table, Fail, "it has no columns, or is not there", "deploy the connector's tables: infra/connectors"}
	}
	byName := map[string]string{}
	for _, c := range have {
		byName[c.Name] = c.Type
	}
	var missing, other []string
	for _, c := range want {
		switch typ, ok := byName[c.Name]; {
		case !ok:
			missing = append(missing, c.Name)
		case typ != c.Type && !(c.Type == "guid" && typ == "string"):
			other = append(other, fmt.Sprintf("%s is %s, not %s", c.Name, typ, c.Type))
		}
	}
	c := Check{"table", table, OK, fmt.Sprintf("%d columns, as in the connector", len(want)), ""}
	if len(missing)+len(other) > 0 {
		c.Status = Fail
		c.Found = "values are dropped without a word: "
		if len(missing) > 0 {
			c.Found += "there is no " + strings.Join(missing, ", ")
		}
		if len(missing) > 0 && len(other) > 0 {
			c.Found += "; "
		}
		c.Found += strings.Join(other, "; ")
		c.Do = "deploy again, so that the table has the columns of this version"
	}
	return c
}
