package logsingest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/netguard"
)

// wire sends the requests of a sink, and notes what time it is there.
type wire struct {
	next policy.Transporter
	now  func() time.Time

	mu    sync.Mutex
	host  string        // that has told the time
	ahead time.Duration // this machine's clock of it
	read  time.Time     // when
}

// Do implements policy.Transporter.
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	resp, err := w.next.Do(req)
	if err != nil {
		return nil, err
	}
	if there, ok := netguard.Date(resp.Header); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.host, w.read = req.URL.Host, w.now()
		w.ahead = w.read.Sub(there)
	}
	return resp, nil
}

// clockError is an error when this machine's clock is known to be ahead.
func (w *wire) clockError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ahead <= engine.MaxSkew {
		return nil
	}
	return &engine.Error{Kind: engine.Permanent, Op: "send rows", Reason: "clock_wrong", Hint: "set this machine's clock; the position stays",
		Err: fmt.Errorf("this machine's clock is %s ahead of %s", w.ahead.Round(time.Second), w.host)}
}

// known reports whether the time has been told lately.
func (w *wire) known() bool {
	const lately = 10 * time.Minute
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now().Sub(w.read).Abs() < lately
}

// CheckClock implements engine.Timed. It asks an endpoint for nothing, as any answer
// has the time.
func (s *Sink) CheckClock(ctx context.Context) error {
	if !s.wire.known() && len(s.rules) > 0 {
		const patience = 10 * time.Second
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.endpoint()+"/", nil)
		if err != nil {
			return nil // an upload says why
		}
		if resp, err := s.wire.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	return s.wire.clockError()
}

// endpoint is one of those that rows are sent to, always the same.
func (s *Sink) endpoint() string {
	var all []string
	for at := range s.clients {
		all = append(all, at)
	}
	return slices.Min(all)
}

// plain sends what was addressed to https over http.
type plain struct{ *wire }

// Do implements policy.Transporter.
func (p plain) Do(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	r.URL.Scheme = "http"
	return p.wire.Do(r)
}

// hostOf is the host of an address, for a person.
func hostOf(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || address == "":
		return "nowhere"
	case u.Host == "":
		return "itself"
	}
	return u.Scheme + "://" + u.Host
}
