package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRunsShareARoom: whatever they read, and however it comes, all runs come to their
// end, and together they hold no more than the room and what one of them holds.
func TestRunsShareARoom(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			size := shareSize * (1 + rnd.IntN(4))
			room, largest := NewRoom(size), 0
			var all sync.WaitGroup
			for range 12 {
				pages := make([]int, rnd.IntN(5)) // each with parts that are got side by side
				for i := range pages {
					pages[i] = rnd.IntN(64 << 20)
					largest = max(largest, 2*pages[i]+2<<20)
				}
				all.Go(func() {
					s, err := room.Enter(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Leave()
					for _, n := range pages {
						s.settle()
						s.readAll(t, n)
						s.turn(rand.New(rand.NewPCG(seed, uint64(n))).IntN(1 << 20)) // a list is kept
						time.Sleep(time.Second)
						room.mu.Lock()
						used := room.used
						room.mu.Unlock()
						if used > size+largest+shareSize {
							t.Errorf("%d are used of %d, with %d at most in a run", used, size, largest)
						}
					}
				})
			}
			all.Wait()
			if room.used != 0 || room.runs != 0 || room.beyond != nil || len(room.waiting) > 0 {
				t.Errorf("left over: %+v", room)
			}
		})
	}
}

// readAll reads two bodies of n bytes at a time.
func (s *Share) readAll(t *testing.T, n int) {
	var parts sync.WaitGroup
	for range 2 {
		parts.Go(func() {
			for got := 0; got < n; got += 1 << 20 {
				if err := Grow(s.In(t.Context()), 1<<20); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	parts.Wait()
}

// TestOneRunGoesBeyondTheRoom: of two that need more than there is the second waits for
// the first, and so does a third that would begin; what is waited for in vain is left.
func TestOneRunGoesBeyondTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom(2*shareSize + 1)
		enter := func() *Share {
			s, err := room.Enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a, b := enter(), enter()
		if err := Grow(a.In(t.Context()), 100<<20); err != nil {
			t.Fatal(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := room.Enter(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := Grow(b.In(soon), 50<<20); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		done := 0
		go func() {
			if Grow(b.In(t.Context()), 50<<20) == nil {
				done++
			}
			b.Leave()
			if c := enter(); c != nil {
				done++
				c.Leave()
			}
		}()
		synctest.Wait()
		if done != 0 {
			t.Error("two are beyond the room")
		}
		a.turn(0)
		if !a.large() {
			t.Error("a page of 100 MiB is small")
		}
		a.settle()
		synctest.Wait()
		if done != 2 || a.large() {
			t.Errorf("%d went on", done)
		}
		a.Leave()
		if room.used != 0 {
			t.Errorf("%+v", room)
		}
	})
}

// TestWithoutARoomNothingIsLimited: a single stream, as authors try it.
func TestWithoutARoomNothingIsLimited(t *testing.T) {
	if err := Grow(t.Context(), 1<<40); err != nil || shareOf(t.Context()).large() {
		t.Error(err)
	}
	shareOf(t.Context()).settle()
}
