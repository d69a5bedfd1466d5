package rest

import (
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// byToken sends back a token that is in the body, or in a header.
type byToken struct {
	p  *pager
	at pointer
}

func newByToken(p *pager, in *paths) pages { return &byToken{p, in.pointer(p, p.paging.Token)} }

func (*byToken) first() string { return "" }

func (*byToken) scope(sc *scope, token string) (*scope, error) {
	return sc.with("page.token", token), nil
}

// next is the token; the elements of a list with commas between.
func (w *byToken) next(r *reply) (string, error) {
	if h := w.p.paging.TokenHeader; h != "" {
		return unlessEnd(r.resp.Header.Get(h)), nil
	}
	if w.at.plain {
		return w.at.text(r.body), nil
	}
	var parts []string
	w.at.several.Select(r.body, func(start, end int) { parts = append(parts, scan.PlainText(r.body[start:end])) })
	return unlessEnd(strings.Join(parts, ",")), nil
}
