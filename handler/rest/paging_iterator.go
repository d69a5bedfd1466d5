package rest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// iterator asks a provider that itself remembers what it has sent to whom. A token is
// the reader and how many pages it has had. Where a page may have been sent and lost,
// the token is of no more use, and a reader that begins anew finds it; what the lost
// reader is sent later, such as by a process that wakes up, does it no harm.
type iterator struct {
	p    *pager
	who  string // the reader
	lost bool   // the provider may have sent a page that has not come
}

func newIterator(p *pager, _ *paths) pages { return &iterator{p: p} }

func (*iterator) first() string { return "" }

func (w *iterator) scope(sc *scope, token string) (*scope, error) {
	if token == "" {
		w.who = strconv.FormatInt(w.p.src.opt.Now().UnixNano(), 36) // nobody else has the stream now
		return sc.with("page.reader", w.who).with("page.token", sc.expand(w.p.paging.First)), nil
	}
	if w.lost {
		w.lost = false
		return nil, fmt.Errorf("%w: a page may have been sent that has not come", engine.ErrTokenExpired)
	}
	w.who, _, _ = strings.Cut(token, ".")
	return sc.with("page.reader", w.who).with("page.token", w.p.paging.Next), nil
}

// next counts, to tell one token from the next.
func (w *iterator) next(r *reply) (string, error) {
	_, count, _ := strings.Cut(r.token, ".")
	n, _ := strconv.Atoi(count)
	return w.who + "." + strconv.Itoa(n+1), nil
}

// ends implements ending: a page without records is the last for now.
func (w *iterator) ends(r *reply, _ string) (bool, error) { return r.n == 0, nil }

// unsure implements moving.
func (w *iterator) unsure(is bool) { w.lost = is }

// lead implements moving. The reader goes on where it is, whatever comes.
func (w *iterator) lead(page *engine.Page, next string) {
	w.lost = false
	page.Cursor, page.Commit = next, w.p.aside > 0 || !empty(page.Records)
}
