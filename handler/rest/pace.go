package rest

import (
	"errors"
	"net/http"
	"strconv"
	"time"

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

// pace holds requests back once our share of the rate limit is used up.
func (r *Connection) pace(h http.Header) {
	limit, err1 := strconv.ParseFloat(firstHeader(h, "Limit"), 64)
	left, err2 := strconv.ParseFloat(firstHeader(h, "Remaining"), 64)
	reset, ok := resetTime(h, "Reset", r.opt.Now())
	if err1 != nil || err2 != nil || !ok || left >= limit*(1-r.c.Limits.Share) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if until := r.opt.Now().Add(untilAfter(reset, r.opt.Now())); until.After(r.notBefore) {
		r.notBefore = until
	}
}
