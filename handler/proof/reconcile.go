package proof

import (
	"context"
	"maps"
	"slices"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// reconcile asks for what is missing at the end of a world, which the oracle
// knows: what the endpoint forgot, what was listed too late.
func (w *World) reconcile() {
	if w.API.stream().Position.Type != "window" {
		return // there is nothing to ask for by its time
	}
	var rec *engine.Reconciliation
	var err error
	for died := true; died; {
		p := w.newProcess()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			e, s, oerr := p.open()
			if err = oerr; err == nil {
				rec, err = e.Reconcile(context.Background(), s, engine.Window{From: w.start, To: w.end}, w.oracle, nil)
			}
		}()
		<-ended
		died = p.dead.Load()
	}
	if err != nil {
		w.oracle.problem("reconcile: %v", err)
		return
	}
	missing := map[string]bool{}
	for _, m := range rec.Missing {
		missing[m.UID] = true
	}
	o := w.oracle
	o.missing = len(missing)
	for _, r := range w.provider.records {
		if r.kind != plain || o.kept[r.id] {
			continue
		}
		has, named := false, false
		for uid := range o.uids[r.id] {
			has = has || o.stored[uid] > 0
			named = named || missing[uid]
		}
		if len(o.uids[r.id]) == 0 { // it never arrived, so only the name of a named record is known
			named = missing[r.id] || missing[w.API.streamName+"/"+r.id] || w.API.stream().Position.ID == ""
		}
		if has == named {
			o.problem("reconcile: %s is in the table: %v, said to be missing: %v", r.id, has, named)
		}
	}
	if len(rec.Surplus) > 0 || rec.Arrived+rec.Filtered+rec.Quarantined+len(rec.Missing) != rec.Listed {
		o.problem("reconcile: %+v", rec)
	}
}

// Events implements engine.Table: what the endpoint kept.
func (o *oracle) Events(_ context.Context, _, _ string, in engine.Window) (map[string]int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := map[string]int{}
	for _, r := range o.w.provider.records {
		if r.at.Before(in.From) || !r.at.Before(in.To) {
			continue
		}
		for uid := range o.uids[r.id] {
			if n := o.stored[uid]; n > 0 {
				events[uid] = n
			}
		}
	}
	return events, nil
}

// Have implements engine.Table.
func (o *oracle) Have(_ context.Context, _, _ string, uids []string) (map[string]bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	have := map[string]bool{}
	for uid := range maps.Keys(o.stored) {
		have[uid] = o.stored[uid] > 0 && slices.Contains(uids, uid)
	}
	return have, nil
}
