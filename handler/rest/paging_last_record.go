package rest

import (
	"fmt"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// byLastRecord asks for what follows a value of the page's last record.
type byLastRecord struct {
	p    *pager
	into *scan.Reader // the path into a record
	slot int
}

func newByLastRecord(p *pager, _ *paths) pages {
	t := scan.NewTree()
	steps, _ := parsedPath(p.paging.Token).Steps()
	w := &byLastRecord{p: p, slot: t.Add(steps)}
	w.into = scan.NewReader(t)
	return w
}

func (*byLastRecord) first() string { return "" }

func (*byLastRecord) counts() {}

func (*byLastRecord) scope(sc *scope, token string) (*scope, error) {
	return sc.with("page.token", token), nil
}

func (w *byLastRecord) next(r *reply) (string, error) {
	if r.last == nil {
		return "", nil
	}
	defer w.into.Forget()
	if _, err := w.into.Read(r.last, 0); err != nil {
		return "", w.p.src.fail(engine.Transient, "malformed_page", "", err, 0)
	}
	value := textOf(w.into.Spans[w.slot], r.last)
	if value == "" {
		return "", w.p.src.fail(engine.Permanent, "unexpected_answer", "the API may have changed", fmt.Errorf("the last record of the page has no %s", w.p.paging.Token), 0)
	}
	return value, nil
}

// ends implements ending: it is an error when the page after this one would be the same
// again. Of a cursor without a size this is what it looks like when nothing is new.
func (w *byLastRecord) ends(r *reply, next string) (bool, error) {
	d := w.p.paging
	stop, err := w.p.stops(r, next)
	if err == nil && !stop && next == r.token && (d.Size == 0 || r.n >= d.Size) && (d.Size > 0 || w.p.src.s.Position.Type != "cursor") {
		err = w.p.src.fail(engine.Permanent, "no_progress", "the position stays; have the connector ask for larger pages, and write size: and stop: short_page below paging",
			fmt.Errorf("the page after %s %q ends with the same value, so that no page leads on from it", d.Token, w.p.src.foreign(r.token, 60)), 0)
	}
	return stop, err
}
