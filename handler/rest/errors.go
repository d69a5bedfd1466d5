package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/netguard"
)

// fail is an error of this connection.
func (r *Connection) fail(kind engine.Kind, reason, hint string, err error, wait time.Duration) error {
	return r.errs.Fail(kind, reason, hint, err, wait)
}

// foreign is a text of the provider's, safe to print and to keep.
func (r *Connection) foreign(text string, most int) string { return r.errs.Foreign(text, most) }

// networkError classifies an error that came instead of a response of the provider.
func (r *Connection) networkError(err error) error {
	host, setting := r.base.Host, r.errs.HostSetting
	if ue := new(url.Error); errors.As(err, &ue) {
		if u, err := url.Parse(ue.URL); err == nil && u.Host != "" && !r.sameOrigin(u) {
			host, setting = r.foreign(u.Host, 100), "the address that the provider has named"
		}
	}
	return r.errs.Unreachable(host, setting, err)
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
