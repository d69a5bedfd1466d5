package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Outcome says how a run ended.
type Outcome string

const (
	OK      Outcome = "ok"      // caught up
	Partial Outcome = "partial" // its time was up, or it was stopped; the next run goes on
	Skipped Outcome = "skipped" // another run holds the stream
	Stalled Outcome = "stalled" // its time was up, and as those before it came no closer to now
	Failed  Outcome = "failed"  // an error; position and data stay. Or records that the provider no longer had
)

// Report is what a run did.
type Report struct {
	Connection string        `json:"connection"`
	Connector  string        `json:"connector"`
	Stream     string        `json:"stream"`
	Table      string        `json:"table"`
	Outcome    Outcome       `json:"outcome"`
	Reason     string        `json:"reason,omitempty"`  // a code
	Message    string        `json:"message,omitempty"` // for a person
	Counts     Counts        `json:"counts"`            // of this run, committed
	Pages      int64         `json:"pages"`
	Windows    int64         `json:"windows"`
	Position   time.Time     `json:"position,omitzero"`
	LastEvent  time.Time     `json:"last_event,omitzero"`
	Backlog    time.Duration `json:"backlog_ns"` // how far the position is behind now
	Stalled    int           `json:"stalled_runs,omitempty"`
	Gaps       []Gap         `json:"gaps,omitempty"` // parts of the past that are still being caught up
	// Unfit counts what of the records did not fit, as Mapper.Oddities says; the
	// rows were sent without it.
	Unfit map[string]int64 `json:"unfit,omitempty"`
	// Late counts the records that were listed only after their time had been
	// passed, by how late they were at most: see Lateness.
	Late      map[string]int64 `json:"late,omitempty"`
	Recovered bool             `json:"recovered,omitempty"` // the newest checkpoint was damaged, an older one served
	Started   time.Time        `json:"started"`
	Duration  time.Duration    `json:"duration_ns"`
	Version   string           `json:"version,omitempty"`

	Err error `json:"-"`
}

// finish fills in the report.
func (r *run) finish(err error) {
	rep := &r.rep
	now := r.e.Clock.Now()
	rep.Duration = now.Sub(rep.Started)
	rep.Outcome = OK
	if r.c != nil {
		rep.Position, rep.LastEvent, rep.Stalled, rep.Gaps = r.c.Position, r.c.LastEvent, r.c.StalledRuns, r.c.Gaps
		rep.Backlog = max(0, now.Sub(r.c.Position))
		if !r.s.Until.IsZero() {
			rep.Backlog = max(0, r.s.Until.Sub(r.c.Position))
		}
	}
	switch {
	case err == nil:
		return
	case errors.Is(err, ErrHeld):
		rep.Outcome = Skipped
	case errors.Is(err, errBudget):
		rep.Outcome, rep.Reason = Partial, "budget"
		if rep.Stalled >= 2 {
			rep.Outcome, rep.Reason = Stalled, "no_progress"
		}
		rep.Message = "the run's time was up; the next one goes on"
		if r.waited > 0 {
			rep.Message = fmt.Sprintf("the run's time was up, and the provider's answer, for which it had waited %s, had not come; the next one goes on", r.waited.Round(time.Second))
		}
		r.notePatience()
		return
	case r.progressed && kindOf(err) == Throttled:
		rep.Outcome, rep.Reason = Partial, reasonOf(err)
		rep.Message = "the other side asks for a longer wait than the run has time; the next one goes on"
		r.notePatience()
		return
	case errors.Is(err, context.Canceled):
		rep.Outcome, rep.Reason, rep.Message = Partial, "interrupted", "stopped on request; the next run goes on"
		return
	default:
		rep.Outcome = Failed
	}
	rep.Reason, rep.Message, rep.Err = reasonOf(err), err.Error(), err
}

// follow has the report of a run that had no checkpoint go on from the one before.
func (rep *Report) follow(last *Report, err error) {
	if err == nil && last != nil {
		rep.Position, rep.LastEvent, rep.Gaps, rep.Stalled = last.Position, last.LastEvent, last.Gaps, last.Stalled
		if !rep.Position.IsZero() {
			rep.Backlog = max(0, rep.Started.Add(rep.Duration).Sub(rep.Position))
		}
	}
	rep.Stalled++
}

// notePatience has a run that did not catch up end red, when some before it did not
// either and it came no closer.
func (r *run) notePatience() {
	rep := &r.rep
	switch {
	case rep.Outcome != Partial:
	case r.c.Idle >= patience:
		rep.Outcome, rep.Reason = Stalled, "no_progress"
		rep.Message = fmt.Sprintf("%d runs in a row brought nothing that was not known, and did not come to an end", r.c.Idle)
	case r.falling:
		rep.Outcome, rep.Reason = Stalled, "falling_behind"
		rep.Message = fmt.Sprintf("the provider's records come faster than they are collected: in %d runs the stream came no closer to now", r.c.Behind)
	}
}

// noteDrift says what did not fit: the provider's records are not what they
// were, and the rows were sent without these values.
func (r *run) noteDrift(odd map[string]int64) {
	if len(odd) == 0 {
		return
	}
	r.rep.Unfit = odd
	if r.rep.Reason == "" {
		r.rep.Reason = "schema_drift"
		r.rep.Message = "records have values that do not fit: " + strings.Join(slices.Sorted(maps.Keys(odd)), ", ")
	}
}

// Lateness is the class of the histogram that d belongs to: the least of its
// bounds that d does not exceed, or longer.
func Lateness(d time.Duration) string {
	for _, c := range lateness {
		if d <= c.most {
			return c.name
		}
	}
	return "longer"
}

var lateness = []struct {
	most time.Duration
	name string
}{{time.Minute, "1m"}, {5 * time.Minute, "5m"}, {15 * time.Minute, "15m"}, {time.Hour, "1h"}, {6 * time.Hour, "6h"}, {24 * time.Hour, "1d"}}
