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
	taken int // of the room
	held  int // of that by what the run has read
	page  int // of that for the page being read
}

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
// What was read for a page is given back when the next one is asked for.
func Grow(ctx context.Context, n int) error {
	s := shareOf(ctx)
	if s == nil {
		return nil
	}
	r := s.room
	r.mu.Lock()
	s.page += n
	if s.held+n <= s.taken {
		s.held += n
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
				q.share.held += q.n
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

// settle is called between pages: of what was read the run keeps so many bytes.
func (s *Share) settle(kept int) {
	if s == nil {
		return
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.page, s.held = 0, min(kept, s.taken)
	s.giveBack(s.taken - max(s.held, shareSize))
}

// settleShare gives back what the run has read, but for what its source keeps.
func (r *run) settleShare(ctx context.Context) {
	kept := 0
	if h, ok := r.s.Source.(Holding); ok {
		kept = h.Holds()
	}
	shareOf(ctx).settle(kept)
}

// large reports whether the page that was read is too large to be kept while others
// are read.
func (s *Share) large() bool {
	if s == nil {
		return false
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.page > smallPage
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
