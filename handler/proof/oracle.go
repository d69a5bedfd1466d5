package proof

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// oracle knows what the provider has and what the endpoint took, and looks at
// every checkpoint when it is written.
type oracle struct {
	w  *World
	mu sync.Mutex

	rows    int
	stored  map[string]int             // rows by EventUid that were not forgotten
	arrived map[string]int             // rows by record
	uids    map[string]map[string]bool // the EventUids of a record's rows
	kept    map[string]bool            // records in quarantine
	aside   int                        // that were set aside although they can be had
	slowest time.Duration
	missing int  // said by reconcile
	deleted bool // the provider no longer had some records when they were asked for

	batch   int                           // rows of the largest batch so far
	excused int                           // rows that may have come twice by now
	ledger  map[string]engine.LedgerEntry // by lane and number

	lanes    map[string]*lane // by the name of their checkpoint
	runs     int
	last     string // how the last run ended
	problems []string
}

// lane is what was written of a lane's checkpoint last.
type lane struct {
	generation int64
	cp         *engine.Checkpoint
	damaged    bool
}

func newOracle(w *World) *oracle {
	return &oracle{w: w, stored: map[string]int{}, arrived: map[string]int{}, uids: map[string]map[string]bool{}, kept: map[string]bool{}, ledger: map[string]engine.LedgerEntry{}, lanes: map[string]*lane{}}
}

// live is the live lane's checkpoint; nil before the first.
func (o *oracle) live() *engine.Checkpoint {
	if l := o.lanes[o.liveName()]; l != nil {
		return l.cp
	}
	return nil
}

func (o *oracle) liveName() string {
	return "checkpoints/" + o.w.API.spec.Name + "/" + o.w.API.streamName
}

func (o *oracle) problem(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.problemLocked(format, args...)
}

func (o *oracle) problemLocked(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(o.problems) < 20 && !slices.Contains(o.problems, text) {
		o.problems = append(o.problems, text)
	}
}

// offered notes how large batches are.
func (o *oracle) offered(rows int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch = max(o.batch, rows)
}

// accepted looks at the rows of a call that the endpoint took.
func (o *oracle) accepted(table string, rows []map[string]any) {
	if table == healthTable {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	forgotten := o.w.Forgotten > 0 && o.w.rng.Float64() < o.w.Forgotten
	for _, row := range rows {
		uid, _ := row["EventUid"].(string)
		if strings.HasPrefix(uid, sentinel.CanaryPrefix) {
			continue
		}
		o.rows++
		if !forgotten {
			o.stored[uid]++
		}
		name := o.w.API.name(row)
		r := o.w.provider.byID[name]
		if r == nil {
			o.problemLocked("integrity: a row is of no record: %v", row)
			continue
		}
		o.arrived[name]++
		if traced {
			o.w.t.Logf("    %s of %s is row %d", name, r.at.Format(time.TimeOnly), o.arrived[name])
		}
		if o.arrived[name] == 1 && o.w.isNew(r) {
			o.slowest = max(o.slowest, time.Since(r.there))
		}
		o.compare(row, r)
	}
}

// compare is the test of integrity: a row says what its record said.
func (o *oracle) compare(row map[string]any, r *record) {
	uid, _ := row["EventUid"].(string)
	if o.uids[r.id] == nil {
		o.uids[r.id] = map[string]bool{}
	}
	o.uids[r.id][uid] = true
	if err := o.w.API.same(row, r); err != nil {
		o.problemLocked("integrity: %s: %v", r.id, err)
	}
	if r.kind != plain {
		o.problemLocked("conservation: %s came as a row, and is %v", r.id, r.kind)
	}
	text, _ := row["EventTime"].(string)
	if text == "" {
		text, _ = row["TimeGenerated"].(string)
	}
	if at, err := time.Parse(time.RFC3339, text); err != nil || !at.Equal(r.says) {
		o.problemLocked("integrity: %s says %s, its row %s", r.id, r.says, text)
	}
	if row["SluiceConnection"] != o.w.API.spec.Name {
		o.problemLocked("integrity: %s has the connection %v", r.id, row["SluiceConnection"])
	}
}

// wrote looks at what is written to the store.
func (o *oracle) wrote(name string, generation int64, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch folder, _, _ := strings.Cut(name, "/"); folder {
	case "quarantine":
		o.quarantined(data)
	case "ledger":
		if traced {
			o.w.t.Logf("    ledger %s", data)
		}
		var e engine.LedgerEntry
		if err := json.Unmarshal(data, &e); err != nil || !e.Balanced || !e.Counts.Balanced() {
			o.problemLocked("books: the ledger has %s (%v)", data, err)
		}
		if e.Gone != nil {
			o.gone(*e.Gone)
		}
		key := fmt.Sprint(e.Stream, " ", e.Number)
		if e.Fence >= o.ledger[key].Fence {
			o.ledger[key] = e
		}
	case "checkpoints":
		o.checkpoint(name, generation, data)
	}
}

// gone excuses the records that a collector says the provider has deleted, which has
// to be true.
func (o *oracle) gone(w engine.Window) {
	pos := &o.w.API.stream().Position
	o.deleted = true
	for _, r := range o.w.provider.records {
		if r.at.Before(w.From.Add(-time.Duration(pos.Overlap))) || !r.at.Before(w.To) || o.settled(r) {
			continue
		}
		r.late = true
		if age := o.w.provider.now().Sub(r.at); age < time.Duration(pos.Retention)-15*time.Minute {
			o.problemLocked("loss: %s is said to be gone at the provider, and is %s old", r.id, age)
		}
	}
}

func (o *oracle) quarantined(data []byte) {
	var q engine.Quarantined
	if err := json.Unmarshal(data, &q); err != nil {
		o.problemLocked("quarantine: %v", err)
		return
	}
	if id, ok := strings.CutPrefix(string(q.Original()), `{"link":"/detail/`); ok {
		id = strings.TrimSuffix(id, `"}`)
		o.kept[id] = true
		if o.w.provider.byID[id].kind != gone { // faults have made it look so
			o.aside++
		}
		return
	}
	for _, r := range o.w.provider.records {
		if r.json == string(q.Original()) {
			o.kept[r.id] = true
			if r.kind == noise {
				o.problemLocked("conservation: %s is in quarantine, and should be filtered", r.id)
			}
			return
		}
	}
	o.problemLocked("integrity: no record is as the one in quarantine: %s", q.Original())
}

// checkpoint is the heart: what a checkpoint says is done has to be done at the
// moment when it is written.
func (o *oracle) checkpoint(name string, generation int64, data []byte) {
	c, err := engine.DecodeCheckpoint(data)
	if err != nil {
		o.problemLocked("checkpoint: what was written cannot be read: %v", err)
		return
	}
	l := o.lanes[name]
	if l == nil {
		l = &lane{}
		o.lanes[name] = l
	}
	if generation != l.generation+1 {
		o.problemLocked("checkpoint: generation %d follows %d", generation, l.generation)
	}
	if old := l.cp; old != nil && !l.damaged {
		if c.Position.Before(old.Position) {
			o.problemLocked("monotony: the position goes back from %s to %s", old.Position, c.Position)
		}
		if c.Fence < old.Fence || c.Fence == old.Fence && old.Lease != nil && c.Lease != nil && c.Lease.Holder != old.Lease.Holder {
			o.problemLocked("fencing: %d after %d", c.Fence, old.Fence)
		}
	}
	if !c.Totals.Balanced() {
		o.problemLocked("books: %+v do not balance", c.Totals)
	}
	if traced {
		o.w.t.Logf("    %s, generation %d: position %s, window %+v, fence %d, %d ids, gaps %v, %+v", name, generation, c.Position.Format(time.TimeOnly), c.Window, c.Fence, len(c.Seen), c.Gaps, c.Totals)
	}
	moved := l.cp == nil || c.Position.After(l.cp.Position) || len(c.Gaps) != len(l.cp.Gaps)
	l.generation, l.cp, l.damaged = generation, c, false
	if moved {
		o.settledSoFar()
	}
	if w := o.w; w.Damage > 0 && !w.calm.Load() && generation > 2 && w.rng.Float64() < w.Damage {
		l.damaged = true
		w.faults["store: checkpoint garbled"]++
		o.excused += len(w.provider.records)
		go w.blobs.Overwrite(name, generation, data[:len(data)/2]) // once this write is over
	}
}

// settled reports whether a record is where it has to be.
func (o *oracle) settled(r *record) bool {
	return o.arrived[r.id] > 0 || o.kept[r.id] || r.kind == noise
}

// settledSoFar checks that what the checkpoints claim to be done is done: all
// before the position that was there within the stream's lag, and, further back
// than its overlap, all that came as late as the overlap allows.
func (o *oracle) settledSoFar() {
	pos := &o.w.API.stream().Position
	lag, overlap := time.Duration(pos.Lag)-max(o.w.Skew, 0), time.Duration(pos.Overlap)
	for _, r := range o.w.provider.records {
		position := o.positionFor(r.at, overlap)
		late := r.there.Sub(r.at)
		if pos.Type != "window" { // all that was there when the listing began
			if r.there.Before(position.Add(-max(o.w.Skew, 0))) && !o.settled(r) && !r.late {
				o.problemLocked("loss: the position is at %s, and %s, there since %s, is nowhere", position.Format(time.DateTime), r.id, r.there.Format(time.DateTime))
			}
			continue
		}
		due := r.at.Before(position) && late <= lag || r.at.Before(position.Add(-overlap)) && late <= lag+overlap
		if due && !r.late && !o.settled(r) {
			o.problemLocked("loss: the position is at %s, and %s of %s, there since %s, is nowhere", position.Format(time.DateTime), r.id, r.at.Format(time.DateTime), r.there.Format(time.DateTime))
		}
	}
}

// positionFor is the position of the lane that is responsible for a time.
func (o *oracle) positionFor(t time.Time, overlap time.Duration) time.Time {
	live := o.live()
	if live == nil { // a lane is written before the live checkpoint that speaks of it
		return time.Time{}
	}
	for _, g := range live.Gaps {
		if t.Before(g.From.Add(-overlap)) || !t.Before(g.To) {
			continue
		}
		if l := o.lanes[o.liveName()+"@"+g.Lane]; l != nil {
			return l.cp.Position
		}
		return g.From
	}
	return live.Position
}

// excuse notes that the batches in flight may come twice.
func (o *oracle) excuse() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.excused += o.w.InFlight * max(o.batch, 1)
}

// ran notes how a run ended. One that was stopped by an error may have sent
// batches that it could not commit.
func (o *oracle) ran(rep engine.Report) {
	o.mu.Lock()
	o.runs++
	o.last = fmt.Sprintf("%s (%s): %s", rep.Outcome, rep.Reason, rep.Message)
	o.mu.Unlock()
	if rep.Outcome == engine.Failed {
		o.excuse()
	}
}

// caughtUp reports whether every record that there is now is settled.
func (o *oracle) caughtUp() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.w.provider.records {
		if !o.settled(r) && !r.late {
			return false
		}
	}
	return true
}

// repeats counts the rows that came more than once.
func (o *oracle) repeats() (n int) {
	for _, c := range o.arrived {
		n += c - 1
	}
	return n
}

// final looks at everything once the world is calm.
func (o *oracle) final() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var want engine.Counts
	well := 0
	for _, r := range o.w.provider.records {
		if r.late && !o.settled(r) {
			continue
		}
		want.Fetched++
		switch in, kept := o.arrived[r.id] > 0, o.kept[r.id]; {
		case r.kind == noise:
			want.Filtered++
		case r.kind != plain && (in || !kept):
			o.problemLocked("conservation: %s belongs into quarantine", r.id)
		case !in && !kept:
			o.problemLocked("loss: %s of %s is nowhere", r.id, r.at)
		case r.kind == plain && !in:
			well++
		}
		if n := len(o.uids[r.id]); n > 1 {
			o.problemLocked("integrity: %s has %d EventUids: the dedupe function would keep them all", r.id, n)
		}
	}
	// One that is alone in its call is refused for its size, where the endpoint says so.
	if most := o.w.faults["sink: 413"] + o.aside; well > most {
		o.problemLocked("conservation: %d records that the endpoint would have taken are in quarantine, at most %d may", well, most)
	}
	all := map[string]string{}
	for id, uids := range o.uids {
		for uid := range uids {
			if other, ok := all[uid]; ok {
				o.problemLocked("integrity: %s and %s have the same EventUid", id, other)
			}
			all[uid] = id
		}
	}
	o.books(want)
	lost := o.w.faults["sink: accepted, answer lost"] * max(o.batch, 1)
	if most := o.excused + lost; o.repeats() > most {
		o.problemLocked("repeats: %d rows came again, at most %d may", o.repeats(), most)
	}
}

// books compares what the checkpoint and the ledger say with what happened.
func (o *oracle) books(want engine.Counts) {
	var got, sum engine.Counts
	open := 0
	for _, l := range o.lanes {
		got.Add(l.cp.Totals)
		if l.cp.Window != nil && l.cp.Totals != (engine.Counts{}) {
			open++
		}
	}
	if o.w.Damage == 0 && o.aside == 0 && !o.deleted && (got.Fetched != want.Fetched || got.Filtered != want.Filtered) {
		o.problemLocked("books: %+v, and there were %d records, %d of them filtered", got, want.Fetched, want.Filtered)
	}
	for _, e := range o.ledger {
		sum.Add(e.Counts)
	}
	if sum.Repeated = got.Repeated; o.w.Damage == 0 && open == 0 && sum != got {
		o.problemLocked("books: the ledger adds up to %+v, the checkpoint says %+v", sum, got)
	}
}
