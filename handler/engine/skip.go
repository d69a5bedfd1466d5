package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	skippedPage   = "skipped"
	skippedAnswer = "skipped_unread" // it is no page
)

// Skip has a stream that is stuck go on at a time: what happened before, and was
// not delivered yet, is passed over. That is in the ledger as a window with Gone,
// and in the audit log. The zero time means the end of the window in progress, or of
// the one that cannot be begun. With a source, what the provider answers to the next
// run's first request goes to quarantine as it is; noPage says why there is no answer.
func (e *Engine) Skip(ctx context.Context, key string, to time.Time, s *Stream) (change Change, noPage error, err error) {
	c, gen, err := e.loadFree(ctx, key)
	if err != nil {
		return Change{}, nil, err
	}
	if to, err = e.skipTo(c, to, s); err != nil {
		return Change{}, nil, err
	}
	change = e.change("skip", key, c.Position, to, c.Fence+1)
	noPage = e.setAside(ctx, s, c, to)
	c.Windows++
	entry := LedgerEntry{Number: c.Windows, Window: Window{c.Position, to}, Connection: c.Connection, Stream: c.Stream,
		Fence: change.Fence, Gone: &Window{c.Position, to}, SkippedBy: change.By}
	if w := c.Window; w != nil {
		entry.Pages, entry.Counts = w.Pages, w.Counts
	}
	if err := e.writeLedger(ctx, &entry); err != nil {
		return change, noPage, err
	}
	c.beginAt(to)
	return change, noPage, e.replace(ctx, change, c, gen)
}

// skipTo is where a stream goes on that is to skip to a time.
func (e *Engine) skipTo(c *Checkpoint, to time.Time, s *Stream) (time.Time, error) {
	key := c.Connection + "/" + c.Stream
	to = to.UTC().Truncate(time.Second)
	switch now := e.Clock.Now(); {
	case to.IsZero() && c.Window != nil:
		return c.Window.To, nil
	case to.IsZero():
		if s != nil && c.StalledRuns > 0 && !strings.Contains(c.Stream, "@") {
			if next, ok := s.Position.plan(c.Position, c.Since, now.Add(-s.Position.Lag)); ok {
				return next.To, nil
			}
		}
		return to, fmt.Errorf("%s has no window in progress, and is at %s: say where to go on, with --to", key, c.Position.Format(time.RFC3339))
	case to.After(now):
		return to, fmt.Errorf("%s is in the future", to.Format(time.RFC3339))
	case !to.After(c.Position):
		return to, fmt.Errorf("%s is at %s, which is not before %s: going back is sluice state rewind", key, c.Position.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return to, nil
}

// setAside keeps the page of s that comes next, or the first of what is skipped, in
// quarantine, and where it cannot be read, the answer.
func (e *Engine) setAside(ctx context.Context, s *Stream, c *Checkpoint, to time.Time) error {
	if s == nil {
		return errors.New("its connection is not configured")
	}
	next := Progress{Window: Window{c.Position, to}, Token: c.Cursor}
	if c.Window != nil {
		next = *c.Window
	}
	if k, ok := s.Source.(Knowing); ok {
		seen := newMemory(c.Seen, 0)
		k.Know(func(key []byte) bool { return seen.has(hashID(key)) })
	}
	b := Bad{Reason: skippedPage, Detail: fmt.Sprintf("a page of the window from %s to %s, which was skipped", next.From.Format(time.RFC3339), next.To.Format(time.RFC3339))}
	page, err := s.Source.Fetch(ctx, s.Position.request(next.asked()), next.Token)
	if unread := new(Unread); errors.As(err, &unread) {
		b.Body, b.Reason, b.Detail = unread.Body(), skippedAnswer, b.Detail+": "+err.Error()
	} else if err == nil {
		b.Body = page.Records
	}
	if len(b.Body) == 0 {
		return cmp.Or(err, errors.New("it is empty"))
	}
	lane := *s
	_, lane.Lane, _ = strings.Cut(c.Stream, "@")
	return e.putQuarantine(ctx, &lane, &b, b.hash(), false)
}

// Release ends the lease of a run that has ended without giving it back; one that
// runs after all is refused its next write, and stops. Of a run that may be alive it
// does so only when forced.
func (e *Engine) Release(ctx context.Context, key string, force bool) (Change, error) {
	c, gen, err := e.load(ctx, key)
	if err == nil && !force {
		err = e.free(c)
	}
	if err != nil {
		return Change{}, err
	}
	change := e.change("release", key, c.Position, c.Position, c.Fence+1)
	change.Broken = c.Lease
	return change, e.replace(ctx, change, c, gen)
}
