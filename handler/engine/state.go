package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A person may look at a stream's checkpoint, take a copy, put one back, or
// have records fetched again. Whoever does so leaves a line in the audit log.

// Change is such a line: what was done to a stream's checkpoint, by whom.
type Change struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`     // as in leases
	Action string    `json:"action"` // rewind, skip, begin, release, export or import
	Stream string    `json:"stream"` // CONNECTION/STREAM
	// From and To are the position before and after.
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	Fence int64     `json:"fence,omitempty"` // of the checkpoint that was written or copied
	// Broken is the lease that a release has ended.
	Broken *Lease `json:"broken_lease,omitempty"`
	// Failed says why nothing was changed after all.
	Failed string `json:"failed,omitempty"`
}

// StoredGeneration is one of the kept generations of a checkpoint.
type StoredGeneration struct {
	Number     int64       `json:"number"`
	Bytes      int         `json:"bytes"`
	Problem    string      `json:"problem,omitempty"` // why it cannot be read
	Checkpoint *Checkpoint `json:"-"`
}

// State is what the store has of a stream's checkpoint.
type State struct {
	Stream      string             `json:"stream"`
	Checkpoint  *Checkpoint        `json:"checkpoint,omitempty"` // the newest that can be read
	KnownIDs    int                `json:"known_ids"`
	Generations []StoredGeneration `json:"generations"` // newest first
	Changes     []Change           `json:"changes,omitempty"`
	Torn        int                `json:"unreadable_changes,omitempty"` // lines of the audit log that cannot be read
}

func auditName(key string) string { return "audit/" + key + ".ndjson" }

// State reads the checkpoint of the stream key (CONNECTION/STREAM) in all its
// generations, and the audit log. What is damaged is described, not an error.
func (e *Engine) State(ctx context.Context, key string) (*State, error) {
	gens, err := e.Store.Generations(ctx, checkpointName(key))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint of %s: %w", key, err)
	}
	if len(gens) == 0 {
		if err := e.isNew(ctx, key); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s has no checkpoint: %w", key, ErrNotFound)
	}
	st := &State{Stream: key}
	for _, g := range gens {
		sg := StoredGeneration{Number: g.Number, Bytes: len(g.Data)}
		if sg.Checkpoint, err = DecodeCheckpoint(g.Data); err != nil {
			sg.Problem = err.Error()
		} else if st.Checkpoint == nil {
			st.Checkpoint, st.KnownIDs = sg.Checkpoint, sg.Checkpoint.stowed()+len(sg.Checkpoint.Seen)
			st.Checkpoint.Seen, st.Checkpoint.Parts = nil, nil // they are many, and say nothing to a person
		}
		st.Generations = append(st.Generations, sg)
	}
	st.Changes, st.Torn, err = e.changes(ctx, key)
	return st, err
}

// changes reads the audit log; torn counts the lines that a crash cut short.
func (e *Engine) changes(ctx context.Context, key string) (list []Change, torn int, err error) {
	data, err := e.Store.Get(ctx, auditName(key))
	if errors.Is(err, ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log of %s: %w", key, err)
	}
	torn = eachLine(data, func(line []byte) error {
		var c Change
		err := json.Unmarshal(line, &c)
		if err == nil {
			list = append(list, c)
		}
		return err
	})
	return list, torn, nil
}

// eachLine calls f with each line of an object that grows, and counts those of
// which f says that they cannot be read.
func eachLine(data []byte, f func(line []byte) error) (torn int) {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && f(line) != nil {
			torn++
		}
	}
	return torn
}

// Rewind has every record since a time fetched and sent again. The position
// goes back, and what was known of ids is forgotten; the rows that come twice
// have the same EventUid. It does not go forward (ErrForward), for that is Skip, and
// not while a run holds the stream (ErrHeld).
func (e *Engine) Rewind(ctx context.Context, key string, to time.Time) (Change, error) {
	c, gen, err := e.loadFree(ctx, key)
	if err != nil {
		return Change{}, err
	}
	to = to.UTC().Truncate(time.Second)
	if to.After(c.Position) {
		return Change{}, fmt.Errorf("%s is at %s, before %s: %w; sluice state skip does", key, c.Position.Format(time.RFC3339), to.Format(time.RFC3339), ErrForward)
	}
	change := e.change("rewind", key, c.Position, to, c.Fence+1)
	c.beginAt(to)
	return change, e.replace(ctx, change, c, gen)
}

// beginAt has the stream begin at a time as if it were new.
func (c *Checkpoint) beginAt(at time.Time) {
	c.Position, c.Since, c.Window, c.Cursor, c.StalledRuns, c.Behind = at, at, nil, "", 0, 0
	c.Places = nil
	c.remember(nil, 0)
}

// load is the checkpoint of a stream that has one.
func (e *Engine) load(ctx context.Context, key string) (c *Checkpoint, gen int64, err error) {
	if c, gen, _, err = e.find(ctx, key); c == nil && err == nil {
		err = fmt.Errorf("%s has no checkpoint: %w", key, ErrNotFound)
	}
	return c, gen, err
}

// loadFree is load, of a stream that nobody holds.
func (e *Engine) loadFree(ctx context.Context, key string) (c *Checkpoint, gen int64, err error) {
	if c, gen, err = e.load(ctx, key); err == nil {
		err = e.free(c)
	}
	return c, gen, err
}

// Export returns the newest checkpoint that can be read, as Import takes it.
func (e *Engine) Export(ctx context.Context, key string) ([]byte, error) {
	c, _, err := e.load(ctx, key)
	if err != nil {
		return nil, err
	}
	data, err := EncodeCheckpoint(c.inline())
	if err != nil {
		return nil, err
	}
	return data, e.audit(ctx, e.change("export", key, c.Position, c.Position, c.Fence))
}

// Import makes an exported checkpoint the newest one, also where none of the
// stored ones can be read any more. The document has to be whole and of this
// stream. Records since its position come again.
func (e *Engine) Import(ctx context.Context, key string, data []byte) (Change, error) {
	c, err := openCheckpoint(ctx, e.Store, data)
	if err != nil {
		return Change{}, err
	}
	c = c.inline()
	if of := c.Connection + "/" + c.Stream; of != key {
		return Change{}, fmt.Errorf("the checkpoint is of %s, not of %s", of, key)
	}
	gens, err := e.Store.Generations(ctx, checkpointName(key))
	if err != nil {
		return Change{}, fmt.Errorf("read checkpoint of %s: %w", key, err)
	}
	var from time.Time
	var newest int64
	for i, g := range gens {
		if i == 0 {
			newest = g.Number
		}
		old, err := DecodeCheckpoint(g.Data)
		if errors.Is(err, errNewer) { // where that one is cannot be known
			return Change{}, fmt.Errorf("%s: %w; import it with that version", key, err)
		}
		if err != nil {
			continue
		}
		c.Fence = max(c.Fence, old.Fence) // above every holder so far
		if from.IsZero() {
			from = old.Position
			if err := e.free(old); err != nil {
				return Change{}, err
			}
			if c.Position.After(old.Position) {
				return Change{}, fmt.Errorf("%s is at %s, the checkpoint is ahead of that, at %s: the records in between would be skipped",
					key, old.Position.Format(time.RFC3339), c.Position.Format(time.RFC3339))
			}
		}
	}
	c.forgetTokens() // where the provider moves on by itself, it has
	change := e.change("import", key, from, c.Position, c.Fence+1)
	return change, e.replace(ctx, change, c, newest)
}

// farAhead is how long no lease is given for: one that ends later was written by a
// clock that was wrong.
const farAhead = 24 * time.Hour

// free is an error while somebody holds the stream.
func (e *Engine) free(c *Checkpoint) error {
	now := e.Clock.Now()
	if l := c.Lease; l != nil && l.Until.After(now) && (e.Alive == nil || e.Alive(l.Holder)) {
		advice := ""
		if l.Until.After(now.Add(farAhead)) {
			advice = fmt.Sprintf(", which is too far ahead to be right; sluice state release %s/%s --force ends it", c.Connection, c.Stream)
		}
		return fmt.Errorf("%w: %s, until %s%s", ErrHeld, l.Holder, l.Until.Format(time.RFC3339), advice)
	}
	return nil
}

func (e *Engine) change(action, key string, from, to time.Time, fence int64) Change {
	return Change{At: e.Clock.Now(), By: e.Holder, Action: action, Stream: key, From: from, To: to, Fence: fence}
}

// replace writes c as a person wants it. The audit log comes first: a change
// without a line cannot be, a line whose change failed is followed by another.
func (e *Engine) replace(ctx context.Context, change Change, c *Checkpoint, gen int64) error {
	if err := e.audit(ctx, change); err != nil {
		return err
	}
	c.Fence = change.Fence
	_, err := e.release(ctx, change.Stream, c, gen)
	if errors.Is(err, ErrConflict) {
		err = ErrHeld
	}
	if err != nil {
		change.Failed = err.Error()
		err = errors.Join(err, e.audit(context.WithoutCancel(ctx), change))
	}
	return err
}

func (e *Engine) audit(ctx context.Context, c Change) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := e.Store.AddLine(ctx, auditName(c.Stream), line); err != nil {
		return fmt.Errorf("write the audit log of %s: %w", c.Stream, err)
	}
	return nil
}
