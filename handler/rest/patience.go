package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
)

// How long is waited for a provider. A call that is over no limit ends with the run.
const (
	headPatience  = 3 * time.Minute  // for an answer to begin
	idlePatience  = time.Minute      // for more of it, each time
	callPatience  = 10 * time.Minute // for all of it: what is read, at 1 Mbit/s
	tokenPatience = time.Minute
)

// patient ends calls in which nothing happens: an answer that does not begin, one
// that stops in its middle, a connection whose other end is gone.
type patient struct {
	next       http.RoundTripper
	head, idle time.Duration
}

// RoundTrip implements http.RoundTripper.
func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	head := time.AfterFunc(p.head, func() { cancel(&answer.Silence{Long: p.head, When: "after the request"}) })
	resp, err := p.next.RoundTrip(req.WithContext(ctx))
	if !head.Stop() && err == nil {
		resp.Body.Close()
		err = ctx.Err()
	}
	if err != nil {
		err = orSilence(ctx, err)
		cancel(nil)
		return nil, err
	}
	resp.Request = req
	resp.Body = &patientBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, idle: p.idle,
		timer: time.AfterFunc(p.idle, func() { cancel(&answer.Silence{Long: p.idle, When: "in the middle of the answer"}) })}
	return resp, nil
}

// orSilence is why a call has ended: err, or that it was ended here.
func orSilence(ctx context.Context, err error) error {
	if s := new(answer.Silence); errors.As(context.Cause(ctx), &s) {
		return s
	}
	return err
}

// patientBody is the rest of an answer.
type patientBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

func (b *patientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.timer.Reset(b.idle)
	}
	if err != nil && err != io.EOF {
		err = orSilence(b.ctx, err)
	}
	return n, err
}

func (b *patientBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
