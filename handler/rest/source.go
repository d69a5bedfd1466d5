package rest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/auth"
	"github.com/sluice-connectors/sluice/handler/decode"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Source is an engine.Source. One goroutine uses it.
type Source struct {
	*Connection
	s    *spec.Stream
	part string

	levels []*listing      // the stream's own list, and its steps
	job    *job            // instead of the list
	loaded []*loaded       // the pages that the steps are about, by level
	ahead  map[int]*lookup // pages got before their turn, by item
	luck   []fortune       // what the steps have met in this run, by level
	above  int             // levels of the stream that are left out; see below
	strict bool            // what is in quarantine is asked for again: if it cannot be had, that is an error
	known  func([]byte) bool

	prepared bool
}

var (
	_ engine.Source    = (*Source)(nil)
	_ engine.Knowing   = (*Source)(nil)
	_ engine.Holding   = (*Source)(nil)
	_ engine.Refetcher = (*Source)(nil)
)

// Source lists a part of stream s.
func (r *Connection) Source(s *spec.Stream, part string) *Source {
	src := &Source{Connection: r, s: s, part: part, known: func([]byte) bool { return false }}
	list := &listing{src: src, req: &s.Request, paging: &s.Paging, resp: &s.Response, success: &s.Success, rules: s.Errors, explode: &s.Explode, records: s.Records, empty: s.Empty}
	if s.Job != nil {
		src.job = newJob(src, s.Job, list)
		src.levels = append(src.levels, nil)
		down := *list
		down.req, down.paging, down.inJob = &s.Job.Download, &spec.Paging{Type: "none"}, true
		list = &down
	}
	src.levels = append(src.levels, list)
	for i := range s.Steps {
		st := &s.Steps[i]
		src.levels = append(src.levels, &listing{src: src, req: &st.Request, paging: &st.Paging, resp: &st.Response, success: &st.Success, rules: st.Errors, explode: &st.Explode, records: st.Records,
			origins: st.Origins, step: st})
	}
	for i, l := range src.levels {
		if l == nil {
			continue
		}
		l.pager = newPager(l)
		l.prepare()
		l.cred, l.auth = &r.c.Auth, r.auth
		if l.step != nil && l.step.Auth != nil {
			l.cred, l.auth = l.step.Auth, r.own(l.step.Auth, fmt.Sprint(s.Name, " step ", i))
		}
	}
	src.loaded, src.luck = make([]*loaded, len(src.levels)), make([]fortune, len(src.levels))
	return src
}

// keptList is the largest list that is kept between runs; a larger one is asked for again.
const keptList = 1 << 20

// Know implements engine.Knowing.
func (r *Source) Know(known func(key []byte) bool) {
	r.known, r.ahead = known, nil
	for i, l := range r.loaded { // the next run may go on in their middle
		if l != nil && l.size > keptList {
			r.loaded[i] = nil
		}
	}
	clear(r.luck)
}

// Fetch implements engine.Source. The page token of a stream without steps is the
// path and query of the next page's URL, or the token from the body; else it is
// a place (see steps.go).
func (r *Source) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	page, err := r.fetch(ctx, r.scope(w), token)
	if errors.Is(err, engine.ErrTokenExpired) { // the listing begins anew, and so do the lists on the way
		clear(r.loaded)
		r.ahead = nil
	}
	return page, r.named(err)
}

// scope is what the placeholders stand for while window w is listed.
func (r *Source) scope(w engine.Window) *scope {
	return &scope{settings: r.opt.Settings, window: w, values: map[string]any{"part": r.part}}
}

// named has an error say what was listed.
func (r *Source) named(err error) error {
	if e := new(engine.Error); errors.As(err, &e) {
		e.Op = r.op()
	}
	return err
}

func (r *Source) fetch(ctx context.Context, sc *scope, token string) (*engine.Page, error) {
	late := r.s.PreparesLate()
	if !late {
		if err := r.prepare(ctx, sc); err != nil {
			return nil, err
		}
	}
	page, err := r.list(ctx, sc, token)
	if late && errors.Is(err, errUnprepared) && !r.prepared {
		if err := r.prepare(ctx, sc); err != nil {
			return nil, err
		}
		return r.list(ctx, sc, token)
	}
	return page, err
}

// errUnprepared is an answer that says that what prepare makes is not there.
var errUnprepared = errors.New("what the stream needs has not been made")

func (r *Source) list(ctx context.Context, sc *scope, token string) (*engine.Page, error) {
	if len(r.levels) > 1 {
		return r.descend(ctx, sc, token)
	}
	page, err := r.levels[0].fetch(ctx, sc, token)
	if err == nil {
		page.Steady = !r.moves()
	}
	return page, err
}

// prepare makes the request that has to come before all others.
func (r *Source) prepare(ctx context.Context, sc *scope) error {
	if r.s.Prepare == nil || r.prepared {
		return nil
	}
	l := r.single(&r.s.Prepare.Request, r.s.Prepare.Errors)
	resp, body, err := l.exchange(ctx, sc, "")
	if err == nil && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		_, err = l.answered(resp, body, r.errs.Status(resp, body, false))
	}
	r.prepared = err == nil
	return err
}

// moves reports whether the provider itself moves on with each request.
func (r *Source) moves() bool {
	return slices.ContainsFunc(r.levels, func(l *listing) bool { return l != nil && l.pager.moves() })
}

// single is a listing of one request that has no pages and no records.
func (r *Source) single(req *spec.Request, rules []spec.ErrorRule) *listing {
	l := &listing{src: r, req: req, paging: &spec.Paging{Type: "none"}, resp: &spec.Response{}, success: &spec.Success{}, rules: rules, explode: &spec.Explode{}, records: "$", cred: &r.c.Auth, auth: r.auth}
	l.pager = newPager(l)
	return l
}

func (r *Source) op() string {
	if r.part != "" {
		return "list " + r.c.Name + "/" + r.s.Name + "." + r.part
	}
	return "list " + r.c.Name + "/" + r.s.Name
}

// listing is one kind of request of a stream, whose answers have records: the
// stream's own list, or a step.
type listing struct {
	src     *Source
	req     *spec.Request
	paging  *spec.Paging
	resp    *spec.Response
	success *spec.Success
	rules   []spec.ErrorRule
	explode *spec.Explode
	records string
	empty   string     // what a response without records has
	origins []string   // of a step
	cred    *spec.Auth // the credentials that it is asked with
	auth    auth.Authenticator
	inJob   bool       // a job's part: when it is gone, so is the job
	step    *spec.Step // nil: the list

	knows *recognizer // of the records of the stream; nil: these are others

	needs    []need // members of the record that a step is about
	windowed bool   // the requests say which window

	pager   *pager
	renewed bool              // the token, because an answer said so; no page has come since
	size    int               // of the last body, a guess for the next
	room    func(n int) error // of the run that asked last; see decode.Options
}

// fetch gets the page that token names.
func (l *listing) fetch(ctx context.Context, sc *scope, token string) (*engine.Page, error) {
	r := l.src
	token, err := r.secrets.Unmask(token)
	if err != nil {
		return nil, err
	}
	if token == "" {
		token = l.pager.first()
	}
	if err := l.complete(sc); err != nil {
		return nil, err
	}
	sc, err = l.pager.scope(sc, token)
	if err != nil {
		return nil, err
	}
	resp, body, err := l.exchange(ctx, sc, token)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		l.pager.unsure(false)
		return l.answered(resp, body, r.errs.Status(resp, body, token != l.pager.first() || l.inJob))
	}
	page, err := l.page(resp, body, token)
	if hidden := new(hiddenError); errors.As(err, &hidden) {
		return l.answered(resp, body, r.errs.Hidden(resp, body, hidden))
	}
	if err != nil {
		return nil, &engine.Unread{Err: l.ofContent(err), Body: func() []byte { return []byte(r.secrets.Redact(string(body))) }}
	}
	l.renewed = false
	return page, nil
}

// exchange makes a request and reads the answer whole; once more with a new token
// when the provider refuses the one it has issued.
func (l *listing) exchange(ctx context.Context, sc *scope, token string) (*http.Response, []byte, error) {
	r := l.src
	for tries := 0; ; tries++ {
		if err := r.takeTurn(); err != nil {
			return nil, nil, err
		}
		req, err := l.request(ctx, sc, token)
		if err != nil {
			reason, hint := "bad_request", ""
			if errors.As(err, new(*foreignLink)) {
				reason, hint = "foreign_link", "nothing was sent there; the position stays"
			}
			return nil, nil, l.ofRecord(r.fail(engine.Permanent, reason, hint, err, 0))
		}
		if r.sameOrigin(req.URL) {
			if err := l.auth.Apply(ctx, req); err != nil {
				return nil, nil, err
			}
		}
		if err := r.owner.Sendable(req); err != nil {
			return nil, nil, err
		}
		l.pager.unsure(true)
		resp, err := r.client.Do(req)
		if err != nil {
			return nil, nil, l.ofItem(r.networkError(err))
		}
		body, err := l.read(ctx, resp)
		resp.Body.Close()
		if l.refused(resp, body) && tries == 0 {
			continue
		}
		if err == nil {
			err = r.checkClock(resp)
		}
		r.pace(resp.Header)
		return resp, body, err
	}
}

// refused reports whether an answer refuses credentials that may be replaced by
// better ones.
func (l *listing) refused(resp *http.Response, body []byte) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return l.src.sameOrigin(resp.Request.URL) && l.auth.Refused(resp)
	case http.StatusForbidden: // which some say when they are asked too often
		return l.src.sameOrigin(resp.Request.URL) && !answer.TooOften(resp, body) && l.auth.Refused(resp)
	}
	return false
}

// read reads the body into memory of its own: records refer to it until they
// are acknowledged.
func (l *listing) read(ctx context.Context, resp *http.Response) ([]byte, error) {
	size := l.size + l.size/8
	if resp.ContentLength >= 0 {
		size = int(min(resp.ContentLength, decode.Max))
	}
	l.room = func(n int) error { return engine.Grow(ctx, n) }
	body, err := decode.ReadAll(resp.Body, size, l.room)
	switch {
	case errors.Is(err, decode.ErrTooLarge):
		return nil, l.ofItem(l.src.tooLarge())
	case err != nil:
		return nil, l.ofItem(l.src.networkError(err))
	}
	l.size = len(body)
	return body, nil
}

// page reads a response to a request for the page that token names.
func (l *listing) page(resp *http.Response, body []byte, token string) (*engine.Page, error) {
	content, err := l.decode(resp, body)
	if err != nil {
		return nil, err
	}
	if err := l.brokenOff(resp, content); err != nil {
		return nil, err
	}
	return l.pager.page(resp, content, token)
}

// decode makes JSON of a response.
func (l *listing) decode(resp *http.Response, body []byte) (*decode.Body, error) {
	r, kind := l.src, resp.Header.Get("Content-Type")
	opt := decode.Options{Format: l.resp.Format, Compression: l.resp.Compression, Delimiter: l.resp.Delimiter, NoHeader: l.resp.NoHeader,
		ContentType: kind, ContentEncoding: resp.Header.Get("Content-Encoding"), Room: l.room}
	if l.knows != nil {
		opt.Known = l.knows.column
	}
	if l.resp.Format == "xml" {
		opt.Records = elementNames(l.records)
	}
	text, err := decode.Text(opt, body)
	if err != nil {
		return nil, l.unfit(err, nil)
	}
	switch blank := valueAt(text, 0) == len(text); {
	case blank && l.mayBeEmpty(resp):
		return &decode.Body{}, nil
	case blank:
		return nil, r.fail(engine.Transient, "empty_answer", "if it means that there is nothing, the stream of the connector has to say so: empty: $", fmt.Errorf("%s answered %d with an empty body", r.base.Host, resp.StatusCode), 0)
	case answer.IsHTML(kind, text):
		return nil, l.foreign(kind)
	}
	content, err := decode.Records(opt, text)
	if err != nil {
		return nil, l.unfit(err, text)
	}
	if !isJSON(content) {
		return nil, l.foreign(kind)
	}
	return content, nil
}

// elementNames are the names on the way to the records of an XML document; nil when the
// path has more than names.
func elementNames(records string) (names []string) {
	steps, plain := parsedPath(records).Steps()
	for _, s := range steps {
		if plain = plain && !s.IsIndex; !plain {
			return nil
		}
		names = append(names, s.Key)
	}
	return names
}

// foreign is the error of a response in another format than the declared one.
func (l *listing) foreign(kind string) error {
	return l.src.fail(engine.Transient, "not_json", "check base_url: a sign-in or maintenance page answers",
		fmt.Errorf("the response is no %s but %q", strings.ToUpper(cmp.Or(l.resp.Format, "json")), l.src.foreign(kind, 80)), 0)
}

// mayBeEmpty reports whether an answer without a body says that there is nothing.
func (l *listing) mayBeEmpty(resp *http.Response) bool {
	f := l.resp.Format
	return resp.StatusCode == http.StatusNoContent || l.empty == "$" || f == "ndjson" || f == "lines" || f == "csv" && l.resp.NoHeader
}

// isJSON reports whether a body begins as JSON, or has a line that does.
func isJSON(c *decode.Body) bool {
	at := valueAt(c.JSON, 0)
	if at == len(c.JSON) {
		return true
	}
	switch scan.KindOf(c.JSON[at]) {
	case scan.Object, scan.Array:
		return true
	}
	return scan.Valid(c.JSON) || c.Lines && bytes.Contains(c.JSON, []byte("\n{"))
}

func (r *Source) tooLarge() error {
	return r.fail(engine.Permanent, "page_too_large", "ask for fewer records in a page", decode.ErrTooLarge, 0)
}

// Position is what the stream declares, as the engine needs it.
func (r *Source) Position() engine.Position {
	s, p := r.s, &r.s.Position
	kind := engine.PositionKind(p.Type)
	if p.Type == "window" {
		kind = engine.Windows
	}
	// Where a list leads to the records, it is the list that is in order.
	indirect := s.Job != nil || len(s.Steps) > 0
	return engine.Position{
		Kind: kind, Every: time.Duration(p.Every), Moving: r.moves(), Indirect: indirect,
		Lag: time.Duration(p.Lag), Overlap: time.Duration(p.Overlap), MaxWindow: time.Duration(p.MaxWindow), Granularity: time.Duration(p.Granularity),
		Retention: time.Duration(p.Retention), Ascending: p.Order == "ascending" && !indirect, FromExclusive: strings.HasPrefix(p.Bounds, "("),
		ToInclusive: strings.HasSuffix(p.Bounds, "]"),
	}
}
