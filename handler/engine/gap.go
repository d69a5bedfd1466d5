package engine

import (
	"context"
	"fmt"
	"time"
)

// A stream that is far behind, after an outage or with a long start, would keep
// people waiting for what happens now. So once a run could not catch up in its
// time, what lies behind is set apart as a gap: a lane of its own with the
// checkpoint as it was, and the live lane goes on close to now. New events come
// first, the gap gets the time that is left.

// Gap is a part of the past that a lane of its own catches up on.
type Gap struct {
	Lane string    `json:"lane"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

const (
	gapAfter = time.Hour // how far behind a stream has to be
	maxGaps  = 8         // more would mean that the provider is slower than its events
)

// Collect runs the live lane of a stream, and then its gaps, oldest first, in
// the time that is left. The reports come in this order.
func (e *Engine) Collect(ctx context.Context, s *Stream, budget time.Duration) []Report {
	deadline := e.Clock.Now().Add(budget)
	live := e.Run(ctx, s, budget)
	reps := []Report{live}
	if live.Outcome != OK && live.Outcome != Partial {
		return reps
	}
	for _, g := range live.Gaps {
		left := deadline.Sub(e.Clock.Now())
		if left <= 0 || ctx.Err() != nil {
			break
		}
		reps = append(reps, e.Run(ctx, s.inGap(g), left))
	}
	return reps
}

// inGap is the stream in the lane of a gap.
func (s *Stream) inGap(g Gap) *Stream {
	lane := *s
	lane.Lane, lane.Start, lane.Until = g.Lane, g.From, g.To
	return &lane
}

// mind forgets the gaps that are closed, and sets a new one apart if the stream
// is far behind.
func (r *run) mind(ctx context.Context) error {
	r.closeGaps(ctx)
	p := r.s.Position
	to := r.end.Add(-p.Overlap) // before it nothing comes late any more
	if p.Granularity > 0 {
		to = to.Truncate(p.Granularity)
	}
	c := r.c
	switch {
	case p.Kind != Windows || r.s.Lane != "" || c.Behind == 0 || len(c.Gaps) >= maxGaps,
		to.Sub(c.Position) < gapAfter,
		c.Window != nil && !c.Window.To.Before(to): // it was listed when records could still come late: others have to reach back into it
		return nil
	}
	gap := Gap{Lane: fmt.Sprintf("catchup-%d", c.Fence), From: c.Position, To: to}
	lane := r.s.inGap(gap)
	past := c.inline()
	past.Stream, past.Gaps, past.Totals, past.Behind = lane.Label(), nil, Counts{}, 0
	// The lane's checkpoint first: the number in its name is ours alone, so if
	// we die now nobody will look at it.
	if _, err := r.e.release(ctx, lane.Key(), past, 0); err != nil {
		return err
	}
	r.e.Log.Warn("far behind: new records come first, the older ones in a lane of their own", "stream", lane.Key(), "from", gap.From, "to", gap.To)
	c.Gaps = append(c.Gaps, gap)
	// A window that was cut may have listed what is from now on the live lane's: the
	// ids are for both.
	if c.Window != nil {
		c.Doubted = later(c.Doubted, c.Window.doubted())
	}
	c.Position, c.Since, c.Window, c.Behind = to, to, nil, 0
	return nil
}

// closeGaps forgets the gaps whose lanes have come to their end. One whose
// checkpoint is not there is listed from its beginning; of one that cannot be
// read its own run will tell.
func (r *run) closeGaps(ctx context.Context) {
	var open []Gap
	for _, g := range r.c.Gaps {
		c, _, _, err := LoadCheckpoint(ctx, r.e.Store, r.s.inGap(g).Key())
		if err != nil || c == nil || c.Position.Before(g.To) {
			open = append(open, g)
		}
	}
	r.c.Gaps = open
}
