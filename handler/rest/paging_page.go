package rest

import "strconv"

// byNumber says the number of the page.
type byNumber struct{ counter }

func newByNumber(p *pager, _ *paths) pages { return byNumber{counter{p}} }

func (w byNumber) first() string {
	if w.p.paging.ZeroBased {
		return "0"
	}
	return "1"
}

// listed implements numbered: it counts pages.
func (w byNumber) listed(token string, _ int) (int, string) {
	at, _ := strconv.Atoi(token)
	if w.p.paging.ZeroBased {
		at++
	}
	return at, "pages"
}

func (w byNumber) next(r *reply) (string, error) {
	done, _ := w.listed(r.token, r.n)
	return w.after(r, 1, done)
}
