package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// A checkpoint is written with every batch that is acknowledged. Where many ids are
// remembered, as in a long window whose pages come in no order, those that stay what
// they are would be most of each: they are stowed in objects of their own, written once,
// and the checkpoint names them.

// seenPart is an object with ids: those of a checkpoint that come after the ids of the
// part before it.
type seenPart struct {
	Name   string `json:"name"`
	IDs    int    `json:"ids"`
	SHA256 string `json:"sha256"`
}

// stalePart is a part that no checkpoint from a generation on names.
type stalePart struct {
	Name  string `json:"name"`
	Since int64  `json:"since,omitempty"` // 0: the one that is written next
}

// DefaultPart is how many ids a part has. As many, and up to twice as many less one,
// are in the checkpoint itself.
const DefaultPart = 4096

// remember has the checkpoint hold these ids, of which so many at the beginning are the
// ones that it held there before.
func (c *Checkpoint) remember(ids seenIDs, same int) {
	c.Seen = ids
	n := 0
	for i, p := range c.Parts {
		if n += p.IDs; n > same {
			for _, gone := range c.Parts[i:] {
				c.Stale = append(c.Stale, stalePart{Name: gone.Name})
			}
			c.Parts = c.Parts[:i]
			return
		}
	}
}

// stowed is how many ids are in parts.
func (c *Checkpoint) stowed() (n int) {
	for _, p := range c.Parts {
		n += p.IDs
	}
	return n
}

// stow writes ids as parts before the checkpoint of generation gen is written, and
// deletes parts that no generation names which will be kept then.
func (e *Engine) stow(ctx context.Context, key string, c *Checkpoint, gen int64) error {
	for at := c.stowed(); len(c.Seen)-at >= 2*e.PartIDs; at += e.PartIDs {
		text := c.Seen[at : at+e.PartIDs].appendText(nil)
		sum := sha256.Sum256(text)
		c.Stowed++ // with the fence in it the name is no other writer's
		p := seenPart{Name: fmt.Sprintf("seen/%s/%d-%d", key, c.Fence, c.Stowed), IDs: e.PartIDs, SHA256: hex.EncodeToString(sum[:])}
		if err := e.Store.Put(ctx, p.Name, text); err != nil {
			return fmt.Errorf("keep ids of %s: %w", key, err)
		}
		c.Parts = append(c.Parts, p)
	}
	left := c.Stale[:0:0]
	for _, p := range c.Stale {
		if p.Since == 0 {
			p.Since = gen
		}
		if p.Since+KeptGenerations >= gen {
			left = append(left, p)
			continue
		}
		if err := e.Store.Delete(ctx, p.Name); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("delete ids of %s: %w", key, err)
		}
	}
	c.Stale = left
	return nil
}

// inline is the checkpoint with all of its ids in itself: a copy for another place.
func (c *Checkpoint) inline() *Checkpoint {
	whole := *c
	whole.Parts, whole.Stale, whole.Stowed = nil, nil, 0
	return &whole
}

// errDamaged: what is stored is not what was written.
var errDamaged = errors.New("checkpoint is damaged")

// openCheckpoint decodes a stored document and reads the ids that it names. What is
// damaged or not there is errDamaged; another error says nothing about the document.
func openCheckpoint(ctx context.Context, st Store, data []byte) (*Checkpoint, error) {
	c, err := DecodeCheckpoint(data)
	if err != nil || len(c.Parts) == 0 {
		return c, err
	}
	var all seenIDs
	for _, p := range c.Parts {
		text, err := st.Get(ctx, p.Name)
		if errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("%w: its ids in %s are not there", errDamaged, p.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("read ids: %w", err)
		}
		var ids seenIDs
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != p.SHA256 || ids.UnmarshalText(text) != nil || len(ids) != p.IDs {
			return nil, fmt.Errorf("%w: its ids in %s are not what they were", errDamaged, p.Name)
		}
		all = append(all, ids...)
	}
	c.Seen = append(all, c.Seen...)
	return c, nil
}
