package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Kind says what can be done about an error. It is decided once, near the wire.
type Kind string

const (
	// Permanent: the same request will fail again; a person is needed.
	Permanent Kind = "permanent"
	// Auth: credentials or permissions are wrong or not yet in force.
	Auth Kind = "auth"
	// Throttled: the other side asks to wait.
	Throttled Kind = "throttled"
	// Transient: may work when tried again.
	Transient Kind = "transient"
	// Rejected: the content of this batch is at fault, not the way it was sent.
	Rejected Kind = "rejected"
)

// Error is an error of the outside world, classified. Its text never holds a secret.
type Error struct {
	Kind   Kind
	Op     string        // what was being done: "list okta/system_log"
	Reason string        // a code for health rows: "wrong_credentials"
	Hint   string        // what to do about it, for a person
	Wait   time.Duration // Throttled: how long the other side asked to wait; 0: it did not say
	Err    error
}

func (e *Error) Error() string {
	s := e.Op
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrNotFound: there is no such object in the store.
	ErrNotFound = errors.New("not found")
	// ErrConflict: someone else has written the document in the meantime.
	ErrConflict = errors.New("the document was changed by another writer")
	// ErrTokenExpired: the provider does not know the page token any more.
	ErrTokenExpired = errors.New("the page token is no longer valid")
	// ErrHeld: another run holds the stream.
	ErrHeld = errors.New("another run holds the stream")
	// ErrForward: a stream cannot be rewound to a time that it has not reached.
	ErrForward = errors.New("to go on there would skip the records in between")
	// ErrLeaseLost: another run has taken the stream over; this one stops.
	ErrLeaseLost = errors.New("another run has taken the stream over")
)

// Unread is the error of an answer that has come, and is no page of records.
type Unread struct {
	Err  error
	Body func() []byte // the answer, without credentials
}

func (e *Unread) Error() string { return e.Err.Error() }
func (e *Unread) Unwrap() error { return e.Err }

// kindOf returns an error's kind; what nobody classified is transient.
func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Transient
}

// reasonOf returns the code of an error for health rows.
func reasonOf(err error) string {
	var e *Error
	switch {
	case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrConflict):
		return "lease_lost"
	case errors.Is(err, ErrHeld):
		return "lease_held"
	case errors.As(err, &e) && e.Reason != "":
		return e.Reason
	case errors.Is(err, ErrTokenExpired):
		return "token_expired"
	case errors.As(err, &e):
		return string(e.Kind)
	}
	return "error"
}

// retry calls f until it succeeds, fails for good, or the deadline would pass
// while waiting. It never gives up a throttled or transient call earlier than
// that, but a call that fails at once, time and again, ends after maxTries.
func (e *Engine) retry(ctx context.Context, deadline time.Time, wait func(context.Context, time.Duration) error, f func() error) error {
	const maxTries = 6
	for try := 1; ; try++ {
		err := f()
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrTokenExpired) {
			return err
		}
		var ee *Error
		pause := backoff(try)
		switch kindOf(err) {
		case Throttled:
			if errors.As(err, &ee) && ee.Wait > 0 {
				pause = ee.Wait
			}
		case Transient:
			if try >= maxTries {
				return fmt.Errorf("%w (tried %d times)", err, try)
			}
		default:
			return err
		}
		if e.Clock.Now().Add(pause).After(deadline) {
			return err
		}
		level := slog.LevelWarn
		if reasonOf(err) == RateShare {
			try-- // nothing was tried
			if pause < time.Minute {
				level = slog.LevelDebug
			}
		}
		e.Log.Log(ctx, level, "waiting before trying again", "error", err, "wait", pause.String())
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// backoff doubles from half a second to 30 seconds.
func backoff(try int) time.Duration {
	return min(500*time.Millisecond<<min(try-1, 10), 30*time.Second)
}
