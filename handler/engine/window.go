package engine

import "time"

// plan returns the window that follows position, or false when the stream is
// caught up with end, the time up to which records can be complete. It reaches
// back for late records, but not behind since.
func (p Position) plan(position, since, end time.Time) (Window, bool) {
	end = p.align(end)
	if !end.After(position) || p.Kind == Snapshot && end.Sub(position) < p.Every && position.After(since) {
		return Window{}, false
	}
	w := Window{From: p.align(later(position.Add(-p.Overlap), since)), To: end}
	if p.MaxWindow > 0 && w.To.Sub(w.From) > p.MaxWindow {
		w.To = w.From.Add(p.MaxWindow)
	}
	return w, true
}

// request is the window as it is put to the provider: a lower bound that it
// excludes, and an upper one that it includes, are asked for one step earlier.
func (p Position) request(w Window) Window {
	if p.FromExclusive {
		w.From = w.From.Add(-p.Granularity)
	}
	if p.ToInclusive {
		w.To = w.To.Add(-p.Granularity)
	}
	return w
}

// restart is where a window is listed again after its page token expired. With
// ascending pages all before the newest event is done, but for late ones, as far
// as the records' times can be believed.
func (p Position) restart(w *Progress) time.Time {
	if p.Ascending && !w.Disorder && !w.Reached.IsZero() {
		if from := p.align(w.Reached.Add(-p.Overlap)); from.After(w.From) {
			return from
		}
	}
	return w.From
}

// align cuts a time to what the provider's filter can tell apart.
func (p Position) align(t time.Time) time.Time {
	if p.Granularity > 0 {
		return t.Truncate(p.Granularity)
	}
	return t
}

// fading says what may be forgotten once a listing is where w says: no window that
// is still to come, nor this one when it is listed again, reaches back to it. now
// is when it was listed at the latest.
func (p Position) fading(w *Progress, closed bool, now time.Time) fading {
	f := fading{windows: w.From.Add(-p.Granularity)}
	if p.Ascending && !w.Disorder && w.Proof.IsZero() {
		f.claims = p.restart(w).Add(-p.Granularity)
	}
	if !closed {
		return f
	}
	f.windows, f.settle = w.To.Add(-p.Overlap-p.Granularity), later(w.To, w.Cut)
	switch p.Kind {
	case Snapshot: // only what this one has
		f.windows = w.To
	case Cursor: // it lists what has come since the window was planned, too
		f.settle = later(w.To, now)
		f.claims = f.windows
	}
	if newest := w.Reached.Add(-p.Overlap - p.Granularity); newest.Before(f.claims) {
		f.claims = newest // silence since then proves nothing
	}
	return f
}
