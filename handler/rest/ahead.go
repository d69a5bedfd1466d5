package rest

import (
	"context"
	"errors"
	"maps"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// lookup is the first page of an item, got before its turn.
type lookup struct {
	page   *engine.Page
	err    error
	at     string // see pager
	listed int
}

// lookUp gets a page of the last step. Where the connector allows several requests
// at a time, the first pages of the items that come next are got with it.
func (r *Source) lookUp(ctx context.Context, sc *scope, place []frame) (*engine.Page, error) {
	level := len(r.levels) - 1
	l, f := r.levels[level], &place[level]
	if r.c.Limits.Concurrency < 2 || f.Token != "" || f.N > 0 {
		return l.fetch(ctx, sc, f.Token)
	}
	at := place[level-1].Item
	got := r.ahead[at]
	if got == nil && len(r.ahead) > 0 { // it failed before, and those after it are there
		return l.fetch(ctx, sc, "")
	}
	if got == nil {
		r.lookAhead(ctx, sc, level, at)
		got = r.ahead[at]
	}
	delete(r.ahead, at)
	switch {
	case got.err == nil:
		l.pager.at, l.pager.listed = got.at, got.listed
	case !errors.As(got.err, new(*itemError)): // such as throttling, which the others met too
		maps.DeleteFunc(r.ahead, func(_ int, l *lookup) bool { return l.err != nil })
	}
	return got.page, got.err
}

// lookAhead gets the first pages of item at and those after it.
func (r *Source) lookAhead(ctx context.Context, sc *scope, level, at int) {
	r.ahead = map[int]*lookup{}
	items, step := r.loaded[level-1].items, max(r.batch(level), 1)
	var group errgroup.Group
	for n := 0; n < r.c.Limits.Concurrency && at < len(items); n++ {
		got, inner := &lookup{}, r.inside(sc, level-1, at, step)
		r.ahead[at] = got
		single := r.levels[level].clone()
		group.Go(func() error {
			got.page, got.err = single.fetch(ctx, inner, "")
			got.at, got.listed = single.pager.at, single.pager.listed
			return nil
		})
		f := frame{Item: at + step}
		r.skipKnown(level-1, &f)
		at = f.Item
	}
	_ = group.Wait()
}

// clone is a listing for use by another goroutine.
func (l *listing) clone() *listing {
	c := *l
	c.pager = newPager(&c)
	return &c
}
