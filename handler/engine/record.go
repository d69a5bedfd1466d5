package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// LedgerEntry proves one closed window: fetched = acknowledged + filtered + quarantined.
// Of several entries with one number the one with the highest fence counts, of
// these the last: a run that dies between the entry and the checkpoint leaves
// one that the next run makes again, and a frozen one may be late with its own.
type LedgerEntry struct {
	Number int64 `json:"number"` // of the stream's windows, from 1
	Window
	Connection string `json:"connection"`
	Stream     string `json:"stream"`
	Fence      int64  `json:"fence"`
	Pages      int64  `json:"pages"`
	Counts     Counts `json:"counts"`
	Balanced   bool   `json:"balanced"`
	// Gone, when set, is what was not listed: the provider no longer had it, or
	// SkippedBy went on after it.
	Gone      *Window   `json:"gone,omitempty"`
	SkippedBy string    `json:"skipped_by,omitempty"`
	Closed    time.Time `json:"closed"`
}

func ledgerPrefix(key string) string { return "ledger/" + key + "/" }

// addLedger writes the entry of a window that is about to be closed.
func (e *Engine) addLedger(ctx context.Context, s *Stream, number, fence int64, w *Progress, gone *Window) error {
	return e.writeLedger(ctx, &LedgerEntry{Number: number, Window: w.Window, Connection: s.Connection, Stream: s.Label(),
		Fence: fence, Pages: w.Pages, Counts: w.Counts, Gone: gone})
}

func (e *Engine) writeLedger(ctx context.Context, x *LedgerEntry) error {
	x.Balanced, x.Closed = x.Counts.Balanced(), e.Clock.Now()
	key := x.Connection + "/" + x.Stream
	line, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if err := e.Store.AddLine(ctx, ledgerPrefix(key)+x.Closed.Format(time.DateOnly)+".ndjson", line); err != nil {
		return fmt.Errorf("write ledger of %s: %w", key, err)
	}
	return nil
}

// Quarantined is a record that could not be delivered as it is, and why.
type Quarantined struct {
	ID         string          `json:"id"` // connection/stream/hash: names it in commands
	Connection string          `json:"connection"`
	Stream     string          `json:"stream"`
	Table      string          `json:"table"`
	Reason     string          `json:"reason"`
	Detail     string          `json:"detail"`
	At         time.Time       `json:"at"`
	Sent       bool            `json:"sent,omitempty"` // a row was sent nevertheless, with a text cut
	Record     json.RawMessage `json:"record,omitempty"`
	Raw        []byte          `json:"raw,omitempty"` // the record, when writing it as JSON would change a byte of it
	// Again is what a Refetcher asks by, of what could not be had; then the
	// record, if there is one, is what led to it.
	Again string `json:"again,omitempty"`
}

// Original returns the record as the provider sent it.
func (q *Quarantined) Original() []byte {
	if q.Raw != nil {
		return q.Raw
	}
	return q.Record
}

// QuarantinePrefix begins the names of the objects in quarantine.
const QuarantinePrefix = "quarantine/"

// putQuarantine keeps a record. The name follows from the record, so that a
// repeated one is kept once.
func (e *Engine) putQuarantine(ctx context.Context, s *Stream, b *Bad, h idHash, sent bool) error {
	q := Quarantined{ID: s.Key() + "/" + h.String(), Connection: s.Connection, Stream: s.Name, Table: s.Table(),
		Reason: b.Reason, Detail: b.Detail, At: e.Clock.Now(), Sent: sent, Again: b.Again}
	if same, err := json.Marshal(json.RawMessage(b.Body)); err == nil && bytes.Equal(same, b.Body) {
		q.Record = b.Body
	} else { // blanks, <, invalid UTF-8: package json does not keep them as they are
		q.Raw = b.Body
	}
	data, err := json.Marshal(q)
	if err == nil {
		err = e.Store.Put(ctx, QuarantinePrefix+q.ID+".json", data)
	}
	if err != nil {
		return fmt.Errorf("keep a record of %s in quarantine: %w", s.Key(), err)
	}
	return nil
}

// Quarantine lists what is kept, of one connection or stream when prefix names
// it, and calls f with each until f fails.
func (e *Engine) Quarantine(ctx context.Context, prefix string, f func(*Quarantined) error) error {
	for name, err := range e.Store.List(ctx, QuarantinePrefix+prefix) {
		if err != nil {
			return err
		}
		q, err := e.quarantined(ctx, name)
		if err != nil {
			return err
		}
		if err := f(q); err != nil {
			return err
		}
	}
	return nil
}

// Quarantined returns the kept record with this ID.
func (e *Engine) Quarantined(ctx context.Context, id string) (*Quarantined, error) {
	return e.quarantined(ctx, QuarantinePrefix+id+".json")
}

func (e *Engine) quarantined(ctx context.Context, name string) (*Quarantined, error) {
	data, err := e.Store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	q := new(Quarantined)
	if err := json.Unmarshal(data, q); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return q, nil
}

// Purge deletes a kept record for good.
func (e *Engine) Purge(ctx context.Context, id string) error {
	return e.Store.Delete(ctx, QuarantinePrefix+id+".json")
}

// Refuse reports that a connection cannot run, and has a health row say so: that
// nothing comes of it is no silence.
func (e *Engine) Refuse(ctx context.Context, connection, connector string, why error) Report {
	rep := Report{Connection: connection, Connector: connector, Outcome: Failed, Reason: "configuration", Message: why.Error(), Err: why,
		Started: e.Clock.Now(), Version: e.Version}
	e.recordHealth(context.WithoutCancel(ctx), &rep)
	e.Note(ctx, &rep)
	return rep
}

func healthName(key string) string { return "health/" + key + ".json" }

// recordHealth keeps the report for the status command and sends it as a row.
func (e *Engine) recordHealth(ctx context.Context, rep *Report) {
	key := rep.Connection + "/" + rep.Stream
	data, err := json.Marshal(rep)
	if err == nil && rep.Stream != "" {
		err = e.Store.Put(ctx, healthName(key), data)
	}
	if row := e.Notices.Health(rep, e.Clock.Now()); err == nil && row.Table != "" && e.Sink.Has(row.Table) {
		err = e.Sink.Upload(ctx, row)
	}
	if err != nil {
		e.Log.Warn("the run's health could not be recorded", "stream", key, "error", err)
	}
}

// heldFor is how long a stream may be held without a word in the health table.
const heldFor = 10 * time.Minute

// quiet reports whether nothing was recorded of a stream for as long.
func (e *Engine) quiet(ctx context.Context, key string) bool {
	last, err := e.lastReport(ctx, key)
	return err == nil && (last == nil || e.Clock.Now().Sub(last.Started.Add(last.Duration)) >= heldFor)
}

// Status is what is known of a stream between runs.
type Status struct {
	Report      *Report     `json:"last_run,omitempty"`
	Checkpoint  *Checkpoint `json:"checkpoint,omitempty"`
	Quarantined int         `json:"in_quarantine"`
	Problem     string      `json:"problem,omitempty"` // why the checkpoint could not be read
}

// Status reads what the store knows of a stream.
func (e *Engine) Status(ctx context.Context, s *Stream) (Status, error) {
	var st Status
	var err error
	if st.Report, err = e.lastReport(ctx, s.Key()); err != nil {
		return st, err
	}
	if st.Checkpoint, _, _, err = e.find(ctx, s.Key()); err != nil {
		st.Problem = err.Error()
	}
	for name, err := range e.Store.List(ctx, QuarantinePrefix+s.Key()+"/") {
		if err != nil {
			return st, err
		}
		if strings.HasSuffix(name, ".json") {
			st.Quarantined++
		}
	}
	return st, nil
}
