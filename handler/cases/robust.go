package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Robustness runs the stream of a case against a provider that fails in each way
// that it can, at each request of the case's first run: once, which the run has to
// get along with, and for as long as it takes to give up, with the right reason and
// nothing lost in the run after that.
func Robustness(ctx context.Context, c *spec.Connector, s *spec.Stream, dir string) ([]*Result, error) {
	cs, err := Load(dir)
	if err != nil {
		return nil, err
	}
	calm, err := try(ctx, c, s, cs, dir, nil, 0, false)
	if err != nil {
		return nil, err
	}
	if len(calm.Problems) > 0 {
		return []*Result{calm.Result}, nil
	}
	var list []*Result
	for _, f := range faults() {
		for n := range calm.asked {
			for _, always := range []bool{false, true} {
				if f.always && !always || len(f.reasons) == 0 && always != f.always {
					continue
				}
				got, err := try(ctx, c, s, cs, dir, &f, n, always)
				if err != nil {
					return nil, err
				}
				if !got.struck {
					continue
				}
				got.judge(calm, &f, always)
				list = append(list, got.Result)
			}
		}
	}
	return list, nil
}

// trial is what came of a case with a fault.
type trial struct {
	*Result
	asked            int  // requests of the first run
	struck           bool // the fault happened
	first            engine.Report
	aside            int64    // what the first run could not get, and set aside
	arrived, finally []string // events after the first run, and in the end
	position         time.Time
}

// judge compares with the run in which nothing failed.
func (t *trial) judge(calm *trial, f *fault, always bool) {
	report := func(format string, args ...any) {
		t.problem("%s at request %s: "+format, append([]any{f.name, strings.TrimPrefix(t.Case, f.name+" ")}, args...)...)
	}
	aside := t.aside > calm.aside // the request was about one record of a list
	switch ok := t.first.Outcome == engine.OK; {
	case (!always || len(f.reasons) == 0) && !ok && t.first.Reason != "malformed_page" && t.first.Reason != "wrong_shape": // the engine sees it, with the records
		report("the run is %s (%s): %s", t.first.Outcome, t.first.Reason, t.first.Message)
	case always && len(f.reasons) > 0 && !slices.Contains(f.reasons, t.first.Reason) && !(ok && (aside || slices.Equal(t.arrived, calm.arrived))):
		report("the run is %s (%s): %s, want %s", t.first.Outcome, t.first.Reason, t.first.Message, strings.Join(f.reasons, " or "))
	}
	if len(t.arrived) < len(calm.arrived) && !aside && !t.position.Before(calm.position) {
		report("%d of %d events have arrived, and the position is at %s", len(t.arrived), len(calm.arrived), t.position)
	}
	if !slices.Equal(t.finally, calm.arrived) {
		report("the next run has brought %d events, want %d: %v, want %v", len(t.finally), len(calm.arrived), t.finally, calm.arrived)
	}
}

// try runs a case's first run with a fault at request n, and then once more without.
func try(ctx context.Context, c *spec.Connector, s *spec.Stream, cs *Case, dir string, f *fault, n int, always bool) (*trial, error) {
	w, err := newWorld(c, s, cs, dir)
	if err != nil {
		return nil, err
	}
	t := &trial{Result: &Result{Stream: s.Name, Case: "undisturbed"}}
	l := &lab{w: w, s: s, script: cs.Runs[0].Exchanges, uses: make([]int, len(cs.Runs[0].Exchanges)), fault: f, at: n, always: always, queued: map[string]*Exchange{}}
	if f != nil {
		t.Case = fmt.Sprintf("%s %d", f.name, n+1)
	}
	w.provider.problem, w.provider.before = t.problem, l.answer
	now, err := time.Parse(time.RFC3339, cs.Runs[0].Now)
	if err != nil {
		return nil, err
	}
	w.clock.Advance(now.Sub(w.clock.Now()))
	t.first = w.engine.Run(ctx, w.stream, 10*time.Minute)
	t.asked, t.struck = l.asked, l.struck
	t.arrived, t.aside = distinct(uids(w.sink.Rows())), t.first.Counts.Quarantined
	cp, _, _, err := engine.LoadCheckpoint(ctx, w.engine.Store, w.stream.Key())
	if err != nil {
		return nil, err
	}
	t.position = cp.Position
	if f == nil {
		if t.first.Outcome != engine.OK {
			t.problem("undisturbed the run is %s (%s): %s", t.first.Outcome, t.first.Reason, t.first.Message)
		}
		return t, nil
	}
	l.fault = nil
	w.clock.Advance(5 * time.Minute)
	if rep := w.engine.Run(ctx, w.stream, 10*time.Minute); rep.Outcome != engine.OK {
		t.problem("%s: the run after it is %s (%s): %s", t.Case, rep.Outcome, rep.Reason, rep.Message)
	}
	if err := w.replay(ctx); err != nil {
		t.problem("%s: what was set aside cannot be had again: %v", t.Case, err)
	}
	t.finally = distinct(uids(w.sink.Rows()))
	t.Rows, t.Requests = len(w.sink.Rows()), l.asked
	return t, nil
}

// replay asks again for what could not be had.
func (w *world) replay(ctx context.Context) error {
	return w.engine.Quarantine(ctx, "", func(q *engine.Quarantined) error {
		if q.Again == "" {
			return nil
		}
		return w.engine.Replay(ctx, w.stream, q)
	})
}

func distinct(list []string) []string { return slices.Compact(list) }
