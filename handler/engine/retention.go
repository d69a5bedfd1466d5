package engine

import (
	"context"
	"fmt"
	"time"
)

// What a provider has deleted cannot be listed any more, and most refuse to be
// asked for it: a stream whose position is older than that would stand still for
// good. It goes on from the oldest there is. What lies between is lost, and said
// to be: in the ledger, and by a run that is not ok.

// edge is how long the oldest that is asked for has to live on, at most: a listing
// is asked with the window's times again and again while the run lasts.
const edge = 5 * time.Minute

// oldest is the time of the oldest records that can be had by a run of length budget.
func (p Position) oldest(now time.Time, budget time.Duration) time.Time {
	t := p.align(now.Add(min(budget, edge) - p.Retention)).Add(p.Granularity)
	if p.FromExclusive {
		t = t.Add(p.Granularity)
	}
	return t
}

// oldest is that of a lane, which may end before.
func (r *run) oldest() time.Time {
	t := r.s.Position.oldest(r.saved, r.deadline.Sub(r.saved))
	if until := r.s.Until; !until.IsZero() && until.Before(t) {
		return until
	}
	return t
}

// keepsNot reports whether the provider says that it has deleted what happened at t.
// It may have more: whoever begins there asks.
func (p Position) keepsNot(t, now time.Time) bool {
	return p.Kind == Windows && p.Retention > 0 && t.Before(now.Add(-p.Retention))
}

// refusesOlder reports whether a listing has failed that began before what the provider
// says that it keeps, at its beginning.
func (r *run) refusesOlder(err error) bool {
	return r.c.Older && r.c.Position.Before(r.oldest()) && r.work.Token == "" && kindOf(err) == Permanent
}

// fromOldest goes on where the provider says that it keeps records, when it has
// refused what is older. If it refuses that as well, it was not the time that it
// refused, and everything stays.
func (r *run) fromOldest(ctx context.Context, refusal error) error {
	if err := r.drain(ctx); err != nil {
		return join(refusal, err)
	}
	c, before := r.c, *r.c
	oldest := r.oldest()
	if err := r.lose(ctx, oldest); err != nil {
		return join(refusal, err)
	}
	c.Older, c.Since = false, later(c.Since, oldest)
	r.out = r.newBatch()
	err := r.windows(ctx)
	if kindOf(err) == Permanent && r.gone == nil && c.Window == nil && c.Windows == before.Windows {
		c.Position, c.Since, c.Older = before.Position, before.Since, true
	}
	return err
}

// skipGone moves a lane on to the oldest records that the provider keeps.
func (r *run) skipGone(ctx context.Context) error {
	p, c := r.s.Position, r.c
	if p.Retention == 0 || p.Kind == Snapshot {
		return nil
	}
	oldest := r.oldest()
	if c.Older = c.Older && c.Position.Before(oldest); c.Older {
		return nil
	}
	c.Since = later(c.Since, oldest)
	switch w := c.Window; {
	case c.Position.Before(oldest):
		return r.lose(ctx, oldest)
	case w != nil && w.asked().From.Before(oldest): // where it overlaps the one before
		w.beginAnew()
		w.From = oldest
	}
	return nil
}

// lose goes on at oldest, and writes down that records since the position may be
// gone. A stream that has just begun has lost nothing.
func (r *run) lose(ctx context.Context, oldest time.Time) error {
	c, log := r.c, r.e.Log.With("stream", r.s.Key(), "from", r.c.Position, "to", oldest, "retention", r.s.Position.Retention.String())
	gone := Window{c.Position, oldest}
	c.Position = oldest
	if c.Fence == 1 || c.Older && c.Windows == 0 && c.Window == nil {
		log.Warn("the start is older than what the provider keeps: it begins with the oldest records there are")
		return nil
	}
	log.Error("the position is older than what the provider keeps: older records are gone there")
	entry := Progress{Window: gone}
	switch w := c.Window; {
	case w == nil:
	case r.s.Position.Kind == Cursor: // the provider may still know where it was
		w.From, w.To = later(w.From, oldest), later(w.To, oldest)
	default:
		entry.Pages, entry.Counts = w.Pages, w.Counts
		c.Seen.settle(later(w.To, w.Cut))
		c.remember(c.Seen, 0)
		c.Window = nil
	}
	c.Windows++
	r.gone = &gone
	return r.e.addLedger(ctx, r.s, c.Windows, c.Fence, &entry, &gone)
}

// noteGone has a run in which records were lost end red, for that reason, whatever
// else it did: of the loss no other run speaks.
func (r *run) noteGone() {
	if r.gone == nil {
		return
	}
	keeps := r.s.Position.Retention.String()
	if day := 24 * time.Hour; r.s.Position.Retention%day == 0 {
		keeps = fmt.Sprintf("%d days", r.s.Position.Retention/day)
	}
	text := fmt.Sprintf("records from %s to %s may be lost: the provider keeps them for %s only, and the position was older; the stream goes on with the oldest there are",
		r.gone.From.Format(time.RFC3339), r.gone.To.Format(time.RFC3339), keeps)
	rep := &r.rep
	if rep.Outcome != OK && rep.Outcome != Partial {
		text += "; besides, " + rep.Message
	}
	rep.Outcome, rep.Reason, rep.Message = Failed, "gap_retention", text
}

// clockSlack is how far a clock may be set back without harm.
const clockSlack = time.Minute

// inTime is an error when a lane would begin, or is, in the future: what happens
// until then would be skipped.
func (s *Stream) inTime(c *Checkpoint, now time.Time) error {
	if c == nil {
		if s.Start.After(now) {
			return &Error{Kind: Permanent, Op: "begin " + s.Key(), Reason: "start_in_future",
				Hint: "set start to a time that has been, or leave it out", Err: fmt.Errorf("the start %s is in the future; it is %s", s.Start.UTC().Format(time.RFC3339), now.Format(time.RFC3339))}
		}
		return nil
	}
	at := c.Position
	if c.Window != nil {
		at = later(at, c.Window.To)
	}
	if at.After(now.Add(clockSlack)) {
		return &Error{Kind: Permanent, Op: "go on with " + s.Key(), Reason: "position_in_future",
			Hint: "check this machine's clock; if it is right now, and was wrong before, go back with sluice state rewind",
			Err:  fmt.Errorf("the position %s is in the future; it is %s", at.Format(time.RFC3339), now.Format(time.RFC3339))}
	}
	return nil
}
