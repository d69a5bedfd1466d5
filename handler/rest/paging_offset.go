package rest

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// byOffset says how many records there were so far.
type byOffset struct{ counter }

func newByOffset(p *pager, _ *paths) pages { return byOffset{counter{p}} }

func (byOffset) first() string { return "0" }

func (byOffset) counts() {}

// listed implements numbered.
func (byOffset) listed(token string, n int) (int, string) {
	at, _ := strconv.Atoi(token)
	return at + n, "records"
}

// next goes by the records. After a page that is shorter than it should be the next one
// begins right behind its records: an offset may count records that are not shown, so a
// few come twice, where none must be left out.
func (w byOffset) next(r *reply) (string, error) {
	done, _ := w.listed(r.token, r.n)
	return w.after(r, r.n, done)
}

// counter is what tokens that are numbers have in common.
type counter struct{ p *pager }

// scope sends the number as one.
func (counter) scope(sc *scope, token string) (*scope, error) {
	if _, err := strconv.Atoi(token); err == nil {
		return sc.with("page.token", json.Number(token)), nil
	}
	return sc.with("page.token", token), nil
}

// after is the token that is by step larger than that of the page that has come; ""
// when there are no more: done is how much there is with this page.
func (w counter) after(r *reply, step, done int) (string, error) {
	at, err := strconv.Atoi(r.token)
	if err != nil {
		return "", w.p.src.fail(engine.Permanent, "bad_request", "", fmt.Errorf("the stored page %q is no number", r.token), 0)
	}
	total, err := w.p.promised(r.body, r.n)
	if err != nil || r.n == 0 || w.p.total >= 0 && done >= total {
		return "", err
	}
	return strconv.Itoa(at + step), nil
}
