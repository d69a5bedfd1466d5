package rest

import (
	"errors"
	"net/http"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/engine"
)

// takeTurn is an error that says how long to wait while our share of the rate limit
// is used up. It counts the request that is about to be made.
func (r *Connection) takeTurn() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opt.Now()
	if wait := r.notBefore.Sub(now); wait > 0 {
		return r.fail(engine.Throttled, engine.RateShare, "", errors.New("our share of the provider's rate limit is used up"), wait)
	}
	if l := r.c.Limits; l.Requests > 0 {
		r.notBefore = now.Add(time.Duration(l.Per) / time.Duration(l.Requests))
	}
	return nil
}

// pace holds requests back once our share of the rate limit is used up; where
// answers do not tell the limit, once all of it is.
func (r *Connection) pace(h http.Header) {
	limit, limited := answer.Count(h, "Limit")
	left, ok := answer.Count(h, "Remaining")
	wait := answer.UntilReset(h, r.opt.Now())
	switch {
	case !ok || wait == 0:
		return
	case limited && left >= limit*(1-r.c.Limits.Share), !limited && left > 0:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if until := r.opt.Now().Add(wait); until.After(r.notBefore) {
		r.notBefore = until
	}
}
