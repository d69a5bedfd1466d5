package answer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// PrivateAddress is the error of a connection to where no provider is.
type PrivateAddress struct{ IP netip.Addr }

func (e *PrivateAddress) Error() string {
	return fmt.Sprintf("its name leads to %s, which is not on the internet", e.IP)
}

// Silence is the error of a call that was ended because nothing came.
type Silence struct {
	Long time.Duration
	When string
}

func (e *Silence) Error() string { return fmt.Sprintf("nothing came for %s %s", e.Long, e.When) }

// Unreachable classifies an error that came instead of a response of host, which
// setting names.
func (e *Errors) Unreachable(host, setting string, err error) error {
	var dns *net.DNSError
	var cert *x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var private *PrivateAddress
	var silent *Silence
	reason, hint := "unreachable", "check the network and a proxy, if there is one"
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		reason, hint = "host_not_found", "check "+setting
	case errors.As(err, &cert) && cert.Reason == x509.Expired:
		reason, hint = "clock_or_certificate", "the certificate is not valid at this machine's time, "+e.Now().UTC().Format(time.RFC3339)+": check the clock"
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &cert):
		reason, hint = "untrusted_certificate", "check "+setting+", and whether a proxy inspects TLS"
	case errors.As(err, &private):
		return e.Fail(engine.Permanent, "private_address", "nothing was sent there; if the provider is in your own network, write private_network: true in the connection", fmt.Errorf("%s: %w", host, private), 0)
	case errors.As(err, &silent):
		reason, hint = "no_answer", "the provider, the network or a proxy is slow; if it is so each time, ask for fewer records in a page"
	case strings.Contains(err.Error(), "redirected"):
		return e.Fail(engine.Permanent, "foreign_link", "nothing was sent there; check "+setting, e.Scrub(err), 0)
	case host != e.Base.Host:
		hint += "; and check " + setting
	}
	var ue *url.Error
	if errors.As(err, &ue) { // its text is the whole URL once more
		err = ue.Err
	}
	err = dialed(host, err)
	return e.Fail(engine.Transient, reason, hint, fmt.Errorf("%s: %w", host, e.Scrub(err)), 0)
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
