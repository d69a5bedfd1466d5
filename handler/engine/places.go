package engine

import (
	"maps"
	"time"
)

// Place is how far one of the many things that a stream reads has been read, such as an
// object of a container that grows.
type Place struct {
	// At is the source's own: where it goes on, and what tells that the thing is still
	// the same, such as an offset and an ETag. It holds no secret: it is stored.
	At string `json:"at"`
	// Until is when the thing is not listed any more: once windows have passed it, the
	// place is forgotten. The zero time: never.
	Until time.Time `json:"until,omitzero"`
}

// A Placing source reads many things a part at a time, and goes on in each where it was.
type Placing interface {
	// Places is called before the first Fetch of each run with the places of all pages
	// that are committed, by name of the thing; the map is the source's own. It is called
	// after the last Fetch with nil.
	Places(at map[string]Place)
}

// placed tells a source where it was, for as long as the run lists; the run calls what it
// returns.
func (r *run) placed() (over func()) {
	p, ok := r.s.Source.(Placing)
	if !ok {
		return func() {}
	}
	at := maps.Clone(r.c.Places)
	if at == nil {
		at = map[string]Place{}
	}
	p.Places(at)
	return func() { p.Places(nil) }
}

// place moves the checkpoint's places to those of a page that is delivered.
func (c *Checkpoint) place(at map[string]Place) {
	if c.Places == nil && len(at) > 0 {
		c.Places = map[string]Place{}
	}
	maps.Copy(c.Places, at)
}

// forgetPlaces drops those of things that are listed no more. It goes by the window, not by
// what a provider says the time is.
func (c *Checkpoint) forgetPlaces() {
	maps.DeleteFunc(c.Places, func(_ string, p Place) bool {
		return !p.Until.IsZero() && !p.Until.After(c.Position)
	})
}
