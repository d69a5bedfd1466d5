package rest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sluice-connectors/sluice/handler/decode"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// hiddenError is an error that came with status 200.
type hiddenError struct{ err error }

func (e *hiddenError) Error() string { return e.err.Error() }

// answered decides what an answer that is no success means: what the stream's
// rules say, else what its status and the usual headers say, which is usual.
func (l *listing) answered(resp *http.Response, body []byte, usual error) (*engine.Page, error) {
	r, rule := l.src, l.rule(resp, body)
	if rule == nil {
		return nil, l.ofAnswer(resp, usual)
	}
	cause := usual
	if e := new(engine.Error); errors.As(usual, &e) {
		cause = e.Err
	}
	switch rule.Do {
	case "ignore":
		return &engine.Page{}, nil
	case "prepare":
		return nil, fmt.Errorf("%w: %w", errUnprepared, r.fail(engine.Permanent, "bad_request", "", cause, 0))
	case "retry":
		return nil, r.fail(engine.Transient, "provider_error", "", cause, 0)
	case "throttled":
		return nil, r.errs.Throttled(resp, cause)
	case "new_token":
		l.auth.Refused(resp)
		if l.renewed { // for nothing, it seems
			return nil, r.errs.WrongCredentials(cause)
		}
		l.renewed = true
		return nil, r.fail(engine.Transient, "token_refused", "", cause, 0)
	}
	return nil, r.fail(engine.Permanent, "bad_request", "", cause, 0)
}

// rule is the first of the stream's rules that fits an answer, or nil.
func (l *listing) rule(resp *http.Response, body []byte) *spec.ErrorRule {
	for i := range l.rules {
		rule := &l.rules[i]
		if (rule.Status == 0 || rule.Status == resp.StatusCode) && bytes.Contains(body, []byte(rule.Body)) {
			return rule
		}
	}
	return nil
}

// brokenOff is an error when lines end with a text of which a rule says what it means:
// the provider failed when it had sent the others.
func (l *listing) brokenOff(resp *http.Response, content *decode.Body) error {
	if !content.Lines || !slices.ContainsFunc(l.rules, func(r spec.ErrorRule) bool { return r.Status == resp.StatusCode }) {
		return nil
	}
	last := bytes.TrimSpace(content.JSON)
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	if scan.Valid(last) || l.rule(resp, last) == nil {
		return nil
	}
	return &hiddenError{fmt.Errorf("its lines end with %s", l.src.errs.Snippet(last))}
}
