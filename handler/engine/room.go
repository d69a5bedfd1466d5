package engine

import (
	"context"
	"slices"
	"sync"
)

// Room is the memory that the runs of a process may hold together. Each run has a share
// of it from its beginning on, which is enough for pages of common size, and asks for
// more before it reads on in a large one. Where there is no more it waits until others
// give back, but for one run at a time: that one goes on beyond the limit, so that no
// two wait for each other, and what is larger than all the room still passes, alone.
type Room struct {
	mu      sync.Mutex
	size    int
	used    int
	runs    int
	beyond  *Share // the one that goes on where there is no more
	waiting []*request
}

// Share is what a run has of a Room. A nil one has no limit.
type Share struct {
	room  *Room
	taken int // of the room, for what follows
	asked int // what is read for the page that was asked for
	dealt int // what was read for the page being dealt with
	kept  int // what the source keeps
}

// held is what the run has read.
func (s *Share) held() int { return s.asked + s.dealt + s.kept }

// request is a run that waits to begin or to go on.
type request struct {
	share  *Share
	n      int
	grows  bool
	passed chan struct{}
}

const (
	// shareSize is what a run takes of a Room when it begins: some small pages, whose
	// records are kept until they are acknowledged, its batches, and what one record
	// may become.
	shareSize = 16 << 20
	// smallPage is the largest page that may be kept beside the ones after it.
	smallPage = 4 << 20
)

// NewRoom is a room of so many bytes.
func NewRoom(bytes int) *Room { return &Room{size: bytes} }

// Enter waits until a run may begin, as long as ctx lets it.
func (r *Room) Enter(ctx context.Context) (*Share, error) {
	s := &Share{room: r}
	return s, r.take(ctx, &request{share: s, n: shareSize})
}

// In is a context for the run that has this share.
func (s *Share) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, shareKey{}, s)
}

type shareKey struct{}

// shareOf is what the run of ctx has; nil where nothing is limited.
func shareOf(ctx context.Context) *Share {
	s, _ := ctx.Value(shareKey{}).(*Share)
	return s
}

// Grow is called before the run of ctx reads or makes n bytes more. It waits for room.
// What was read for a page is given back when it has been dealt with.
func Grow(ctx context.Context, n int) error {
	s := shareOf(ctx)
	if s == nil {
		return nil
	}
	r := s.room
	r.mu.Lock()
	if s.held()+n <= s.taken {
		s.asked += n
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	return r.take(ctx, &request{share: s, n: n, grows: true})
}

// take waits until there is what q wants.
func (r *Room) take(ctx context.Context, q *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.passed = make(chan struct{})
	r.mu.Lock()
	r.waiting = append(r.waiting, q)
	r.serve()
	r.mu.Unlock()
	select {
	case <-q.passed:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.waiting, q); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		r.serve() // it may have been the one that others waited behind
		return ctx.Err()
	}
	return nil
}

// serve lets go on who can, first those that run already: they give back sooner.
func (r *Room) serve() {
	for _, grows := range []bool{true, false} {
		blocked := false
		r.waiting = slices.DeleteFunc(r.waiting, func(q *request) bool {
			if q.grows != grows || !r.admits(q, blocked) {
				blocked = blocked || q.grows == grows
				return false
			}
			r.used += q.n
			q.share.taken += q.n
			if grows {
				q.share.asked += q.n
			} else {
				r.runs++
			}
			close(q.passed)
			return true
		})
		if blocked {
			return
		}
	}
}

// admits reports whether q can go on; blocked: another waits before it.
func (r *Room) admits(q *request, blocked bool) bool {
	switch {
	case r.used+q.n <= r.size && !blocked:
		return true
	case q.grows && (r.beyond == nil || r.beyond == q.share):
		r.beyond = q.share
		return true
	}
	return !q.grows && r.runs == 0
}

// turn is called when the page that was asked for has come, and is dealt with from now
// on. Of what was read until now the source keeps so many bytes.
func (s *Share) turn(kept int) {
	s.change(func() {
		s.kept = min(kept, s.taken)
		s.dealt, s.asked = min(s.asked, s.taken-s.kept), 0
	})
}

// settle is called when a page has been dealt with.
func (s *Share) settle() { s.change(func() { s.dealt = 0 }) }

// forget is called when a page that was asked for does not come.
func (s *Share) forget(kept int) {
	s.change(func() { s.asked, s.kept = 0, min(kept, s.taken-s.dealt) })
}

// change notes what the run has read, and gives back what it does not need any more.
func (s *Share) change(note func()) {
	if s == nil {
		return
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	note()
	s.giveBack(s.taken - max(s.held(), shareSize))
}

// large reports whether the page being dealt with is too large to be kept while others
// are read.
func (s *Share) large() bool {
	if s == nil {
		return false
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.dealt > smallPage
}

// Leave ends the run.
func (s *Share) Leave() {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs--
	s.giveBack(s.taken)
}

func (s *Share) giveBack(n int) {
	r := s.room
	s.taken -= n
	r.used -= n
	if r.used <= r.size || s.taken <= shareSize && r.beyond == s {
		r.beyond = nil
	}
	r.serve()
}
