package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-connectors/sluice/handler/decode"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// A stream with steps is a tree: the records of a list, and below each the pages
// that a step gets for it. It is walked one page of the last step at a time, and a
// page token is the place in the tree: for each level the page, and how many of
// its records have been dealt with. The lists on the way are kept in memory, and
// asked for again when a run begins in their middle; should such a list have
// changed, its records are looked up from the first again.

// frame is the place on one level.
type frame struct {
	Token string `json:"t,omitempty"` // of the page
	Item  int    `json:"i,omitempty"` // of its records, those before this one are dealt with
	Sum   string `json:"s,omitempty"` // of its records
	Since int64  `json:"b,omitempty"` // of a job: when it began (Unix seconds)
	Done  bool   `json:"d,omitempty"` // of a job: it only has to be tidied up
	N     int    `json:"n,omitempty"` // of a step for batches: so many records at a time, when that is less than declared
}

// loaded is a page whose records a step looks up.
type loaded struct {
	token string // of the place that led there
	items []json.RawMessage
	size  int // of the page, in bytes
	next  string
	sum   string
	bad   []engine.Bad // of the page; it is handed on with what the first item leads to
}

var errPlace = errors.New("the stored place in a list is damaged")

// descend gets the page at a place of the tree, with what is bad in the lists that
// begin there.
func (r *Source) descend(ctx context.Context, sc *scope, token string) (*engine.Page, error) {
	place, err := readPlace(token, len(r.levels))
	if err != nil {
		return nil, r.fail(engine.Permanent, "bad_request", "", err, 0)
	}
	list := place[0].Token
	page, bad, err := r.walk(ctx, sc, place)
	if err != nil {
		return nil, err
	}
	page.Bad = append(bad, page.Bad...)
	next, _ := readPlace(page.Next, len(r.levels))
	page.Part = page.Next != "" && next[0].Token == list
	return page, nil
}

// walk goes down to a place, getting the lists on the way.
func (r *Source) walk(ctx context.Context, sc *scope, place []frame) (page *engine.Page, bad []engine.Bad, err error) {
	for level := 0; level < len(place); level++ {
		f := &place[level]
		if r.job != nil && level == 0 {
			if page, err = r.job.step(ctx, sc, place); page != nil || err != nil {
				return page, nil, err
			}
		} else if level == len(r.levels)-1 {
			page, err = r.leaf(ctx, sc, place)
			return page, bad, err
		} else if err := r.load(ctx, sc, level, place); err != nil {
			page, err = r.without(ctx, sc, place[:level+1], err)
			return page, bad, err
		}
		l := r.loaded[level]
		if f.Sum != l.sum { // the list is new, or is another than it was
			f.Item, f.Sum = 0, l.sum
			place = place[:level+1]
		}
		if f.Item == 0 {
			bad = append(bad, l.bad...)
		}
		r.skipKnown(level, f)
		if f.Item >= len(l.items) {
			page, err = r.passed(place[:level+1])
			return page, bad, err
		}
		if level+1 == len(place) {
			place = append(place, frame{N: r.luck[level+1].less})
		}
		sc = r.inside(sc, level, f.Item, r.span(level+1, &place[level+1]))
	}
	return nil, nil, r.fail(engine.Permanent, "bad_request", "", errPlace, 0)
}

func readPlace(token string, levels int) (place []frame, err error) {
	if token == "" {
		return make([]frame, 1, levels), nil
	}
	if json.Unmarshal([]byte(token), &place) != nil || len(place) == 0 || len(place) > levels || slices.ContainsFunc(place, func(f frame) bool { return f.Item < 0 || f.N < 0 }) {
		return nil, errPlace
	}
	return place, nil
}

func placeToken(place []frame) string {
	text, err := json.Marshal(place)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// load gets the page of a level whose records the next one looks up, unless it is
// there.
func (r *Source) load(ctx context.Context, sc *scope, level int, place []frame) error {
	at := pagePlace(sc, place[:level+1])
	if l := r.loaded[level]; l != nil && l.token == at {
		return nil
	}
	page, err := r.levels[level].fetch(ctx, sc, place[level].Token)
	if err == nil {
		err = r.accept(sc, level, place[level].Token, page)
	}
	if err != nil {
		r.loaded[level] = nil // the page that led here may be asked for anew
		return err
	}
	r.luck[level].got(sc, r.batch(level))
	l := &loaded{token: at, size: len(page.Records), next: page.Next, bad: page.Bad}
	items, bad, err := elements(page.Records, page.Lines)
	if err != nil {
		return r.levels[level].unfit(err, page.Records)
	}
	l.items, l.bad = items, append(l.bad, bad...)
	l.sum = digestOf(l.items)
	r.loaded[level], r.ahead = l, nil
	return nil
}

// pagePlace names the page at the end of a place, whatever of it has been dealt with.
func pagePlace(sc *scope, place []frame) string {
	place = slices.Clone(place)
	place[len(place)-1].Item = 0
	place[len(place)-1].Sum = ""
	return fmt.Sprint(sc.window.From.UnixNano(), " ", sc.window.To.UnixNano(), " ", placeToken(place))
}

func digestOf(items []json.RawMessage) string {
	h := sha256.New()
	for _, i := range items {
		h.Write(i)
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%d-%x", len(items), h.Sum(nil)[:8])
}

// inside is the scope of what is below an item of a level, or below n of them for a
// step that gets batches.
func (r *Source) inside(sc *scope, level, item, n int) *scope {
	inner := *sc
	inner.item = r.loaded[level].items[item]
	if r.job != nil && level == 0 {
		return r.job.inside(&inner, item)
	}
	if r.batch(level+1) > 0 {
		inner.items = r.loaded[level].items[item:min(item+n, len(r.loaded[level].items))]
		inner.item = nil
	}
	return &inner
}

// batch is how many records a step looks up at a time, 0 for one by one.
func (r *Source) batch(level int) int {
	if st := r.levels[level].step; st != nil {
		return st.Batch
	}
	return 0
}

// span is how many records a step looks up at the place of its frame.
func (r *Source) span(level int, f *frame) int {
	n := max(r.batch(level), 1)
	if f.N > 0 {
		n = min(n, f.N)
	}
	return n
}

// key is what an item that is looked up once is remembered by.
func (r *Source) key(level int, item []byte) []byte {
	return append(fmt.Appendf(nil, "step %d ", r.above+level), item...)
}

// skipKnown steps over the items that need not be looked up again.
func (r *Source) skipKnown(level int, f *frame) {
	next := r.levels[level+1]
	if level+1 != len(r.levels)-1 || next.step == nil || !next.step.Once {
		return
	}
	for l := r.loaded[level]; f.Item < len(l.items) && r.known(r.key(level+1, l.items[f.Item])); {
		f.Item++
	}
}

// accept makes a page that token named what the level promises: one that leads on,
// joined with what led to it, and with what a batch left out.
func (r *Source) accept(sc *scope, level int, token string, page *engine.Page) error {
	if err := r.leadsOn(level, token, page); err != nil {
		return err
	}
	if err := r.joined(sc, level, page); err != nil {
		return err
	}
	return r.leftOut(sc, level, page)
}

// leaf gets a page of the last step.
func (r *Source) leaf(ctx context.Context, sc *scope, place []frame) (*engine.Page, error) {
	level := len(r.levels) - 1
	l, above := r.levels[level], place[level-1]
	page, err := r.lookUp(ctx, sc, place)
	if err == nil {
		err = r.accept(sc, level, place[level].Token, page)
	}
	if err != nil {
		return r.without(ctx, sc, place, err)
	}
	span := r.span(level, &place[level])
	r.luck[level].got(sc, r.batch(level))
	if page.Next != "" {
		place[level].Token = page.Next
		page.Next = placeToken(place)
		return page, nil
	}
	items := r.loaded[level-1].items
	end := min(above.Item+span, len(items))
	if l.step != nil && l.step.Once {
		for _, item := range items[above.Item:end] {
			page.Done = append(page.Done, r.key(level, item))
		}
	}
	place = place[:level]
	place[level-1].Item = end
	after, err := r.passed(place)
	if err != nil {
		return nil, err
	}
	page.Next = after.Next
	return page, nil
}

// passed is an empty page that leads on from a place whose item has been dealt with:
// to the next item, the next page, or the level above.
func (r *Source) passed(place []frame) (*engine.Page, error) {
	for len(place) > 0 {
		level := len(place) - 1
		f, l := &place[level], r.loaded[level]
		switch {
		case f.Item < len(l.items):
			return &engine.Page{Next: placeToken(place)}, nil
		case r.job != nil && level == 0:
			return r.job.finished(place), nil
		case l.next != "":
			*f = frame{Token: l.next, N: f.N}
			return &engine.Page{Next: placeToken(place)}, nil
		}
		if place = place[:level]; level > 0 {
			place[level-1].Item += r.span(level, f)
		}
	}
	return &engine.Page{}, nil
}

// joined puts the record that a step was about around what it got for it, where the
// connector says so.
func (r *Source) joined(sc *scope, level int, page *engine.Page) error {
	l := r.levels[level]
	if l.step == nil || l.step.Join == "" {
		return nil
	}
	if err := join(sc.item, l.step.Join, page, &decode.Growth{Room: l.room}); err != nil {
		return l.ofItem(l.unfit(err, nil))
	}
	return nil
}

// join makes a record of the one before and each that was looked up for it.
func join(outer []byte, name string, page *engine.Page, growth *decode.Growth) error {
	outer = bytes.TrimSpace(outer)
	if len(outer) == 0 || outer[0] != '{' {
		outer = fmt.Appendf(nil, `{"item":%s}`, outer)
	}
	head := outer[:len(outer)-1]
	return eachRecord(page, growth, func(out, rec []byte) ([]byte, error) {
		out = append(out, head...)
		if len(bytes.TrimSpace(head)) > 1 {
			out = append(out, ',')
		}
		out = append(scan.AppendQuoted(out, name), ':')
		return append(append(out, rec...), '}'), nil
	})
}

// Holds implements engine.Holding.
func (r *Source) Holds() (n int) {
	for _, l := range r.loaded {
		if l != nil {
			n += l.size
		}
	}
	for _, got := range r.ahead {
		if got.page != nil {
			n += len(got.page.Records)
		}
	}
	return n
}
