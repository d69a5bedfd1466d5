package rest

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// lookup is the first page of an item, got before its turn.
type lookup struct {
	page *engine.Page
	err  error
}

// lookUp gets a page of the last step. Where the connector allows several requests
// at a time, the first pages of the items that come next are got with it.
func (r *Source) lookUp(ctx context.Context, sc *scope, place []frame) (*engine.Page, error) {
	level := len(r.levels) - 1
	l, token := r.levels[level], place[level].Token
	if r.c.Limits.Concurrency < 2 || token != "" {
		return l.fetch(ctx, sc, token)
	}
	at := place[level-1].Item
	if r.ahead[strconv.Itoa(at)] == nil {
		r.lookAhead(ctx, sc, level, at)
	}
	got := r.ahead[strconv.Itoa(at)]
	delete(r.ahead, strconv.Itoa(at)) // it may be asked for again, after an error
	return got.page, got.err
}

// lookAhead gets the first pages of item at and those after it.
func (r *Source) lookAhead(ctx context.Context, sc *scope, level, at int) {
	r.ahead = map[string]*lookup{}
	items, step := r.loaded[level-1].items, max(r.batch(level), 1)
	var group errgroup.Group
	for n := 0; n < r.c.Limits.Concurrency && at < len(items); n++ {
		got, inner := &lookup{}, r.inside(sc, level-1, at)
		r.ahead[strconv.Itoa(at)] = got
		single := r.levels[level].clone()
		group.Go(func() error {
			got.page, got.err = single.fetch(ctx, inner, "")
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
