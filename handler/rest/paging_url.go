package rest

import (
	"cmp"
	"fmt"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// byURL follows an address in the body, or in a header.
type byURL struct {
	links
	at pointer
}

func newByURL(p *pager, in *paths) pages { return &byURL{links{p}, in.pointer(p, p.paging.URL)} }

func (w *byURL) next(r *reply) (string, error) {
	if h := w.p.paging.URLHeader; h != "" {
		return w.follow(r.resp, r.resp.Header.Get(h))
	}
	link, err := w.linkIn(r.body)
	if err != nil {
		return "", err
	}
	return w.follow(r.resp, link)
}

// linkIn is the address in a body. A path with a filter may lead to several values;
// they have to be the same, or there is no telling which one leads on.
func (w *byURL) linkIn(body []byte) (string, error) {
	if w.at.plain {
		return w.at.text(body), nil
	}
	var link string
	several := false
	w.at.several.Select(body, func(start, end int) {
		text := tokenText(body[start:end])
		several = several || link != "" && text != "" && text != link
		link = cmp.Or(text, link)
	})
	if several {
		return "", w.p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("%s leads to several addresses", w.p.paging.URL), 0)
	}
	return link, nil
}
