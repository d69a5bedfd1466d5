package engine

import "time"

// plan returns the window that follows position, or false when the stream is
// caught up with end, the time up to which records can be complete. It reaches
// back for late records, but not behind since.
func (p Position) plan(position, since, end time.Time) (Window, bool) {
	if p.Granularity > 0 {
		end = end.Truncate(p.Granularity)
	}
	if !end.After(position) || p.Kind == Snapshot && end.Sub(position) < p.Every && position.After(since) {
		return Window{}, false
	}
	w := Window{From: later(position.Add(-p.Overlap), since), To: end}
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
// ascending pages all before the newest event is done, but for late ones.
func (p Position) restart(w *Progress) time.Time {
	if p.Ascending && !w.Reached.IsZero() {
		if from := w.Reached.Add(-p.Overlap); from.After(w.From) {
			if p.Granularity > 0 {
				from = from.Truncate(p.Granularity)
			}
			return from
		}
	}
	return w.From
}

// horizon is the time before which no id needs to be remembered.
func (p Position) horizon(w *Progress, closed bool) time.Time {
	t := p.restart(w)
	switch {
	case closed && p.Kind == Snapshot: // only what this one has
		return w.To
	case closed:
		t = w.To.Add(-p.Overlap)
	}
	return t.Add(-p.Granularity)
}
