package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// What a step cannot get for one record of a list does not stop the others: the
// record goes to quarantine, from where it can be asked for again. It is set aside
// only when its mates can be had. What none of them answers is no fault of a record:
// the provider is down, or the step asks at the wrong place.

// itemError is an error of what a step gets for one record of a list, or for a batch
// of them.
type itemError struct {
	reason string
	err    *engine.Error
	tries  int // after so many the record is given up
}

func (e *itemError) Error() string { return e.err.Error() }
func (e *itemError) Unwrap() error { return e.err }

// ofItem marks an error as one of the records that a step is about. What is wrong with
// the pace, or with a page token, is not.
func (l *listing) ofItem(err error) error {
	e := new(engine.Error)
	if l.step == nil || errors.Is(err, engine.ErrTokenExpired) || !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case engine.Permanent:
		return &itemError{e.Reason, e, triesRefused}
	case engine.Transient:
		return &itemError{e.Reason, e, triesFailed}
	case engine.Auth: // it was asked for again with a new token, where there is one
		return &itemError{e.Reason, e, 1}
	}
	return err
}

// ofContent is ofItem for an answer that cannot be read.
func (l *listing) ofContent(err error) error {
	err = l.ofItem(err)
	if e := new(itemError); errors.As(err, &e) {
		e.tries = min(e.tries, triesUnread)
	}
	return err
}

// ofRecord is ofItem for what is wrong with the record itself: nothing was asked.
func (l *listing) ofRecord(err error) error {
	err = l.ofItem(err)
	if e := new(itemError); errors.As(err, &e) {
		e.tries = 1
	}
	return err
}

const itemNotFound = "item_not_found"

// ofAnswer is ofItem for an answer that is no success. Another origin is sent no
// credentials, so it says nothing about them: the address may have expired.
func (l *listing) ofAnswer(resp *http.Response, err error) error {
	if e := new(engine.Error); errors.As(err, &e) && e.Kind == engine.Auth && !l.src.sameOrigin(resp.Request.URL) {
		err = l.src.fail(engine.Permanent, e.Reason, "", e.Err, 0)
	}
	err = l.ofItem(err)
	if e := new(itemError); errors.As(err, &e) {
		switch resp.StatusCode {
		case http.StatusNotFound:
			e.reason = itemNotFound
		case http.StatusGone:
			e.reason = "item_gone"
		}
	}
	return err
}

// fortune is what a step has met in this run.
type fortune struct {
	trail trail  // how it came to the page it is at
	had   *scope // of the last record for which it got something
	since bool   // something was got since a record was set aside last
	alone int    // records that were set aside although no other answered
	less  int    // records in the next batch; 0: as many as declared
	place string // where it failed last
	tries int    // so often
	ended string // where a page token was not valid any more
}

// got notes that a step has got something for the record of sc.
func (f *fortune) got(sc *scope, batch int) {
	f.had, f.since, f.tries = sc, true, 0
	f.grow(batch)
}

// grow makes the next batch twice as large, up to what is declared.
func (f *fortune) grow(batch int) {
	if f.less *= 2; f.less >= batch {
		f.less = 0
	}
}

// How often a step asks for one record: when it is refused, when what came cannot be
// read, and when the provider or the network fails.
const (
	triesRefused = 2
	triesUnread  = 3
	triesFailed  = 5
)

// patient reports whether a record should be asked for again before it is given up.
func (f *fortune) patient(e *itemError, place string) bool {
	if f.place != place {
		f.place, f.tries = place, 0
	}
	f.tries++
	return f.tries < e.tries
}

// without leads on from a record, the one that the level above place's last is at,
// for which err came instead of an answer. It returns err where that is no fault of
// the record.
func (r *Source) without(ctx context.Context, sc *scope, place []frame, err error) (*engine.Page, error) {
	level := len(place) - 1
	luck, f := &r.luck[level], &place[level]
	if at := placeToken(place[:level]); errors.Is(err, engine.ErrTokenExpired) && r.levels[level] != nil && r.levels[level].step != nil {
		if luck.ended != at { // the window is listed anew
			luck.ended = at
			return nil, err
		}
		f.Token = ""
		err = &itemError{"item_gone", &engine.Error{Kind: engine.Permanent, Reason: "not_found", Err: err}, 1}
	}
	e := new(itemError)
	if !errors.As(err, &e) || r.strict && level == 1 {
		return nil, err
	}
	if !r.strict && luck.patient(e, placeToken(place[:level])) { // what is asked for again has been waited for
		again := *e.err
		again.Kind, again.Hint = engine.Transient, ""
		return nil, &again
	}
	left := len(r.loaded[level-1].items) - place[level-1].Item
	if n := min(r.span(level, f), left); n > 1 { // one of a batch is at fault
		luck.less, r.ahead = n/2, nil
		*f = frame{N: n / 2}
		return &engine.Page{Next: placeToken(place)}, nil
	}
	if err := r.atFault(ctx, sc, place, e); err != nil {
		return nil, err
	}
	luck.since, luck.tries = false, 0
	luck.grow(r.batch(level))
	bad := r.setAside(sc, place, e)
	place = place[:level]
	place[level-1].Item++
	page, err := r.passed(place)
	if err == nil {
		page.Bad = append(page.Bad, bad)
	}
	return page, err
}

// setAside is what goes to quarantine for the record that a step is at.
func (r *Source) setAside(sc *scope, place []frame, e *itemError) engine.Bad {
	level := len(place) - 1
	item := r.loaded[level-1].items[place[level-1].Item]
	return engine.Bad{Body: item, Reason: e.reason, Detail: r.levels[level].asks() + ": " + e.err.Err.Error(), Again: r.again(sc, level, item, place[level].Token)}
}

// leftOut sets those of a batch aside that no record of the answer is about.
func (r *Source) leftOut(sc *scope, level int, page *engine.Page) error {
	l := r.levels[level]
	if l.step == nil || l.step.Key == "" {
		return nil
	}
	there := map[string]bool{}
	for rec, err := range scan.Records(page.Records, page.Lines) {
		if err == nil {
			there[memberText(rec, strings.TrimPrefix(l.step.Key, "$"))] = true
		}
	}
	why := func(item []byte) error {
		return fmt.Errorf("no record in the answer has %s %s", l.step.Key, r.foreign(scan.PlainText(item), 100))
	}
	if len(there) == 0 && len(sc.items) > 0 {
		return l.ofItem(r.fail(engine.Permanent, itemNotFound, "", why(sc.items[0]), 0))
	}
	for _, item := range sc.items {
		if !there[scan.PlainText(item)] {
			page.Bad = append(page.Bad, engine.Bad{Body: item, Reason: itemNotFound, Detail: l.asks() + ": " + why(item).Error(), Again: r.again(sc, level, item, "")})
		}
	}
	return nil
}

// asks names the request of a listing as the connector declares it.
func (l *listing) asks() string {
	if l.req.URL != "" {
		return l.req.Method + " " + l.req.URL
	}
	return l.req.Method + " " + l.req.Path
}

// atFault is an error unless it is the record that is at fault: another can be had, or
// there are too few to tell.
func (r *Source) atFault(ctx context.Context, sc *scope, place []frame, e *itemError) error {
	level := len(place) - 1
	luck, l := &r.luck[level], r.levels[level]
	if e.reason == itemIncomplete {
		return r.incomplete(place)
	}
	permanent := e.err.Kind == engine.Permanent
	if permanent && (luck.since || r.hadAhead()) || luck.had != nil && e.reason == "foreign_link" {
		return nil
	}
	mates := r.mates(sc, level, place[level-1].Item, permanent)
	if luck.had != nil {
		mates = []*scope{luck.had}
	}
	for _, mate := range mates {
		page, err := l.clone().fetch(ctx, mate, "")
		if err == nil {
			err = r.leftOut(mate, level, page)
		}
		alike := new(itemError)
		switch {
		case err == nil:
			luck.had = mate
			return nil
		case !errors.As(err, &alike): // such as throttling: it says nothing
			return err
		case permanent && alike.err.Kind != engine.Permanent:
			return alike.err
		}
	}
	switch {
	case !permanent:
		return e
	case luck.had == nil && len(mates) < mostMates && luck.alone < mostMates:
		luck.alone++
		return nil
	}
	return r.fail(engine.Permanent, e.err.Reason, "the position stays; check the step's request in the connector",
		fmt.Errorf("%s can be had for none of %d records of the list: %w", l.asks(), len(mates)+1, e.err.Err), 0)
}

// mostMates is how many other records are tried before a step counts as wrong.
const mostMates = 2

// mates are the scopes of records that may be had where one cannot: the last of the
// list, and the one beside it. later leaves out those before it, which are delivered and
// may be gone since.
func (r *Source) mates(sc *scope, level, item int, later bool) (mates []*scope) {
	last := len(r.loaded[level-1].items) - 1
	at := []int{last, item + 1, 0, item - 1}
	if later {
		at = at[:2]
	}
	tried := []int{item}
	for _, i := range at {
		if i >= 0 && i <= last && !slices.Contains(tried, i) && len(mates) < mostMates {
			tried = append(tried, i)
			mates = append(mates, r.inside(sc, level-1, i, 1))
		}
	}
	return mates
}

// hadAhead reports whether something was got before its turn.
func (r *Source) hadAhead() bool {
	for _, l := range r.ahead {
		if l.err == nil {
			return true
		}
	}
	return false
}

// again is what a record in quarantine is asked for again by.
type again struct {
	Level int             `json:"level"` // of the step
	Item  json.RawMessage `json:"item"`
	Token string          `json:"token,omitempty"` // of the page that could not be had
	From  *time.Time      `json:"from,omitempty"`  // the window, where the requests have it
	To    *time.Time      `json:"to,omitempty"`
}

func (r *Source) again(sc *scope, level int, item []byte, token string) string {
	a := again{Level: r.above + level, Item: item, Token: token}
	for _, l := range r.levels[level:] {
		if l.windowed {
			a.From, a.To = &sc.window.From, &sc.window.To
		}
	}
	text, err := json.Marshal(a)
	if err != nil { // the record is no JSON
		return ""
	}
	return r.secrets.Mask(string(text))
}

// Refetch implements engine.Refetcher.
func (r *Source) Refetch(ctx context.Context, what, token string) (*engine.Page, error) {
	what, err := r.secrets.Unmask(what)
	if err != nil {
		return nil, err
	}
	var a again
	if err := json.Unmarshal([]byte(what), &a); err != nil || a.Level < 1 || a.Level >= len(r.levels) {
		return nil, r.fail(engine.Permanent, "bad_request", "", errors.New("what is in quarantine was left out by a step that the connector no longer has"), 0)
	}
	sub := r.below(a.Level)
	sc := r.scope(engine.Window{})
	if a.From != nil && a.To != nil {
		sc.window = engine.Window{From: *a.From, To: *a.To}
	}
	list := []frame{{}}
	sub.loaded[0] = &loaded{token: pagePlace(sc, list), items: []json.RawMessage{a.Item}}
	sub.loaded[0].sum = digestOf(sub.loaded[0].items)
	if token == "" {
		list[0].Sum = sub.loaded[0].sum
		token = placeToken(append(list, frame{Token: a.Token}))
	}
	page, err := sub.fetch(ctx, sc, token)
	return page, r.named(err)
}

// below is the source of what the steps from a level on get for one record of the
// level above.
func (r *Source) below(level int) *Source {
	levels := r.levels[level-1:]
	return &Source{Connection: r.Connection, s: r.s, part: r.part, above: level - 1, levels: levels, loaded: make([]*loaded, len(levels)), luck: make([]fortune, len(levels)),
		known: func([]byte) bool { return false }, prepared: r.prepared, strict: true}
}
