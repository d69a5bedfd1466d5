package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const checkpointGone = "checkpoint_gone"

// find is LoadCheckpoint, and an error for a stream whose checkpoint is gone.
func (e *Engine) find(ctx context.Context, key string) (c *Checkpoint, newest int64, recovered bool, err error) {
	if c, newest, recovered, err = LoadCheckpoint(ctx, e.Store, key); c != nil || err != nil {
		return c, newest, recovered, err
	}
	if gone := e.isNew(ctx, key); gone != nil {
		if c, newest, recovered, err = LoadCheckpoint(ctx, e.Store, key); c == nil && err == nil { // another run may just have begun it
			err = gone
		}
	}
	return c, newest, recovered, err
}

// isNew is an error for a stream without a checkpoint that has had one: windows
// in the ledger, or a run that had a position. To begin anew would lose what has
// come since, or repeat everything; only a person can decide that.
func (e *Engine) isNew(ctx context.Context, key string) error {
	last, err := e.lastEntry(ctx, key)
	if err != nil {
		return err
	}
	known := last.To
	if known.IsZero() {
		rep, err := e.lastReport(ctx, key)
		if err != nil {
			return err
		}
		if rep == nil || rep.Position.IsZero() && rep.Reason != checkpointGone {
			return nil
		}
		known = rep.Position
	}
	was := ""
	if !known.IsZero() {
		was = ", which had come to " + known.Format(time.RFC3339)
	}
	return &Error{Kind: Permanent, Op: "read checkpoint of " + key, Reason: checkpointGone, Err: errors.New("the store has records of this stream" + was + ", and no checkpoint"),
		Hint: fmt.Sprintf("put the store back, or a copy with sluice state import %s; or say where to go on: sluice state begin %s --from TIME", key, key)}
}

// lastEntry is what the ledger of a stream says of its newest window, with the
// highest fence in it; zero when there is none.
func (e *Engine) lastEntry(ctx context.Context, key string) (last LedgerEntry, err error) {
	for name, err := range e.Store.List(ctx, ledgerPrefix(key)) {
		if err != nil {
			return last, fmt.Errorf("list the ledger of %s: %w", key, err)
		}
		data, err := e.Store.Get(ctx, name)
		if err != nil {
			return last, fmt.Errorf("read the ledger of %s: %w", key, err)
		}
		torn := eachLine(data, func(line []byte) error {
			var x LedgerEntry
			if err := json.Unmarshal(line, &x); err != nil {
				return err
			}
			fence := max(x.Fence, last.Fence)
			if x.Number >= last.Number {
				last = x
			}
			last.Fence = fence
			return nil
		})
		if torn > 0 {
			e.Log.Warn("lines of the ledger cannot be read, and are passed over", "ledger", name, "lines", torn)
		}
	}
	return last, nil
}

// lastReport is the report of a stream's last run, or nil.
func (e *Engine) lastReport(ctx context.Context, key string) (*Report, error) {
	data, err := e.Store.Get(ctx, healthName(key))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the health of %s: %w", key, err)
	}
	rep := new(Report)
	if json.Unmarshal(data, rep) != nil {
		return nil, nil
	}
	return rep, nil
}

// Begin has a stream without a readable checkpoint go on at a time, or begin there.
// What happened before it is not fetched. One that has a checkpoint is rewound.
func (e *Engine) Begin(ctx context.Context, key string, from time.Time) (Change, error) {
	from = from.UTC().Truncate(time.Second)
	if from.After(e.Clock.Now()) {
		return Change{}, fmt.Errorf("%s is in the future", from.Format(time.RFC3339))
	}
	c, gen, _, err := LoadCheckpoint(ctx, e.Store, key)
	if c != nil {
		return Change{}, fmt.Errorf("%s has a checkpoint, at %s: sluice state rewind moves it", key, c.Position.Format(time.RFC3339))
	}
	if err != nil && reasonOf(err) != "checkpoint_unreadable" {
		return Change{}, err
	}
	if err != nil {
		gens, err := e.Store.Generations(ctx, checkpointName(key))
		if err != nil {
			return Change{}, err
		}
		gen = gens[0].Number
	}
	last, err := e.lastEntry(ctx, key)
	if err != nil {
		return Change{}, err
	}
	connection, stream, _ := strings.Cut(key, "/")
	c = &Checkpoint{Connection: connection, Stream: stream, Windows: last.Number}
	c.beginAt(from)
	change := e.change("begin", key, last.To, from, last.Fence+1)
	return change, e.replace(ctx, change, c, gen)
}
