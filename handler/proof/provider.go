package proof

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// record is what happened at a provider.
type record struct {
	id    string
	at    time.Time // when it happened, by which the provider lists
	says  time.Time // when it says that it happened
	there time.Time // when it can be listed
	kind  kind
	late  bool // later than the stream allows for: it need not arrive
	fields
	json string // as it is listed
}

// fields are what a row can be compared by.
type fields struct {
	number int64
	text   string
	extra  any
}

// kind says what has to become of a record.
type kind int

const (
	plain   kind = iota // a row
	noise               // filtered by the table's rule
	scalar              // no object: quarantine
	poison              // the endpoint takes no batch with it: quarantine
	garbled             // no JSON, for a raw control character in a text: quarantine
	gone                // a list names it, and it cannot be had: its item in the list to quarantine
)

// provider has records and lists them the way its API says.
type provider struct {
	w       *World
	records []*record // by time
	byID    map[string]*record

	snapshots map[string]*snapshot // listings that page tokens refer to
	quota     map[int64]int        // requests by minute
	readers   map[string]*reader   // that iterate
	jobs      map[string]*work
}

// snapshot is a listing as it was when it began.
type snapshot struct {
	list []*record
	ends time.Time
}

func newProvider(w *World) *provider {
	p := &provider{w: w, byID: map[string]*record{}, snapshots: map[string]*snapshot{}, quota: map[int64]int{}, readers: map[string]*reader{}, jobs: map[string]*work{}}
	a, span := w.API, w.end.Sub(w.start)
	at := w.start
	for i := range w.Records {
		switch w.rng.IntN(6) {
		case 0: // at the same time as the one before
		case 1:
			at = at.Add(time.Millisecond)
		default:
			at = at.Add(time.Duration(w.rng.Int64N(int64(3 * span / time.Duration(max(w.Records, 1))))))
		}
		if !at.Before(w.end.Add(-time.Second)) {
			at = w.start.Add(time.Duration(w.rng.Int64N(int64(span))))
		}
		r := &record{id: fmt.Sprintf("r%04d", i), at: at.Truncate(time.Millisecond)}
		r.there = r.at.Add(p.late())
		r.says = p.claim(r.at)
		r.number, r.text, r.extra = w.rng.Int64N(1<<53), oddTexts[w.rng.IntN(len(oddTexts))], map[string]any{"n": []any{float64(i), nil, true}}
		if a.whole {
			switch k := w.rng.IntN(40); {
			case k < 4:
				r.kind = noise
			case k == 4:
				r.kind = poison
			case k == 5 && !a.objects:
				r.kind = scalar
			case k == 6 && !a.objects:
				r.kind = garbled
			case k == 7 && a.details:
				r.kind = gone
			}
		}
		if r.kind == plain && w.rng.Float64() < w.TooLate {
			r.late = true
			r.there = r.at.Add(time.Duration(a.stream().Position.Lag) + time.Duration(a.stream().Position.Overlap) + time.Duration(1+w.rng.IntN(90))*time.Minute)
		}
		r.json = a.record(r)
		p.records = append(p.records, r)
		p.byID[r.id] = r
	}
	slices.SortStableFunc(p.records, func(a, b *record) int { return a.at.Compare(b.at) })
	return p
}

// claim is what a record says of the time at which it happened.
func (p *provider) claim(at time.Time) time.Time {
	switch a := p.w.API; {
	case a.claims == "ahead", a.claims == "some" && p.w.rng.IntN(9) == 0: // local time
		return at.Add(2 * time.Hour)
	case a.claims == "behind", a.claims == "some" && p.w.rng.IntN(9) == 0:
		return at.Add(-5 * time.Hour)
	}
	return at
}

// oddTexts are texts that a careless pipeline changes.
var oddTexts = []string{"", "plain", "Zoë \u2028 \U0001F600", `quote " and \ slash`, "tab\tnewline\nnul\u0000", "<b>&amp;</b>", strings.Repeat("long ", 60), `{"looks":"like JSON"}`, "e\u0301"}

// late is how long a record takes to be listed: mostly not at all, at times as
// long as the stream declares to be possible, never longer.
func (p *provider) late() time.Duration {
	pos := &p.w.API.stream().Position
	lag, overlap := time.Duration(pos.Lag)-max(p.w.Skew, 0), time.Duration(pos.Overlap)
	switch p.w.rng.IntN(6) {
	case 0:
		return between(p, lag)
	case 1:
		return between(p, lag+overlap)
	}
	return 0
}

func between(p *provider, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(p.w.rng.Int64N(int64(most)))
}

// allThere is when every record can be listed, and none is in the lag, by our clock.
func (p *provider) allThere() time.Time {
	t := p.w.end
	for _, r := range p.records {
		if r.there.After(t) {
			t = r.there
		}
	}
	return t.Add(max(p.w.Skew, 0) + time.Duration(p.w.API.stream().Position.Lag))
}

// now is the provider's clock.
func (p *provider) now() time.Time {
	if p.w.calm.Load() && p.w.Skew > time.Minute { // somebody has set ours
		return time.Now().UTC()
	}
	return time.Now().UTC().Add(-p.w.Skew)
}

// ServeHTTP lists records.
func (p *provider) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	a := p.w.API
	if rw.Header()["Date"] = nil; !a.dateless {
		rw.Header().Set("Date", p.now().Format(http.TimeFormat))
	}
	if got, want := req.Header.Get("Authorization"), a.authorization; got != want {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	if a.quota > 0 {
		minute := p.now().Unix() / 60
		if p.quota[minute]++; p.quota[minute] > a.quota {
			rw.Header().Set("Retry-After", strconv.FormatInt(60-p.now().Unix()%60, 10))
			rw.WriteHeader(http.StatusTooManyRequests)
			return
		}
	}
	if a.serve != nil && a.serve(p, rw, req) {
		return
	}
	q, err := a.parse(req)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		p.w.oracle.problem("the provider does not understand %s: %v", req.URL, err)
		return
	}
	if keeps := time.Duration(a.stream().Position.Retention); keeps > 0 && q.from.Before(p.now().Add(-keeps)) {
		http.Error(rw, "start is older than what is kept", http.StatusUnprocessableEntity)
		return
	}
	page, next, ok := p.page(&q)
	if !ok {
		rw.WriteHeader(http.StatusGone)
		return
	}
	var texts []string
	for i, r := range page {
		texts = append(texts, r.json)
		if a.doubles && i%7 == 3 && r.kind != scalar { // that has no id
			texts = append(texts, r.json)
		}
	}
	rw.Header().Set("X-Total-Count", strconv.Itoa(q.total))
	a.write(rw, req, texts, next)
}

// query is what a request asks for.
type query struct {
	from, to time.Time
	token    string
	size     int // of a page; 0: the API's own
	total    int // of the listing, when it has been answered
}

// listing is all that is to be listed now, in the API's order.
func (p *provider) listing(q *query) []*record {
	pos := &p.w.API.stream().Position
	step := time.Duration(pos.Granularity)
	var list []*record
	for _, r := range p.records {
		t := r.at.Truncate(step)
		if pos.Type != "window" {
			if !r.there.After(p.now()) && !t.Before(q.from) {
				list = append(list, r)
			}
			continue
		}
		if r.there.After(p.now()) || t.Before(q.from) || t.After(q.to) ||
			t.Equal(q.from) && pos.Bounds[0] == '(' || t.Equal(q.to) && pos.Bounds[1] == ')' {
			continue
		}
		list = append(list, r)
	}
	switch pos.Order {
	case "": // as they came
		slices.SortStableFunc(list, func(a, b *record) int { return a.there.Compare(b.there) })
	case "descending":
		slices.Reverse(list)
	case "none":
		slices.SortStableFunc(list, func(a, b *record) int { return strings.Compare(reverse(a.id), reverse(b.id)) })
	}
	return list
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// page is one page of a listing and the token of the next; not ok when the
// token is not known any more.
func (p *provider) page(q *query) (page []*record, next string, ok bool) {
	a := p.w.API
	first, list := 0, []*record(nil)
	name := fmt.Sprintf("s%d", len(p.snapshots))
	switch token, rest, _ := strings.Cut(q.token, "."); {
	case q.token == "":
		list = p.listing(q)
		if a.tokens == "snapshot" {
			p.snapshots[name] = &snapshot{list, p.now().Add(a.expiry)}
		}
	case a.tokens == "snapshot":
		s := p.snapshots[token]
		if s == nil || p.now().After(s.ends) {
			return nil, "", false
		}
		name, list = token, s.list
		first, _ = strconv.Atoi(rest)
	case a.tokens == "offset":
		list = p.listing(q)
		first, _ = strconv.Atoi(q.token)
	default: // after a record
		raw, err := base64.RawURLEncoding.DecodeString(q.token)
		last := p.byID[string(raw)]
		if err != nil || last == nil {
			return nil, "", false
		}
		// The last record's place, also among those that have come since.
		list = p.listing(q)
		first = slices.Index(list, last) + 1
	}
	if a.maxPages > 0 && first >= a.maxPages*a.pageSize {
		p.w.oracle.problem("the provider was asked for more than %d pages: %+v", a.maxPages, *q)
	}
	first, q.total = min(first, len(list)), len(list)
	n := min(cmp.Or(q.size, a.pageSize), len(list)-first)
	if a.shortPages && p.w.rng.IntN(3) == 0 {
		n = p.w.rng.IntN(n + 1)
		if q.token != "" || a.tokens == "after" { // else the next token would be this one
			n = max(n, min(1, len(list)-first))
		}
	}
	page = list[first : first+n]
	if a.stream().Position.Type == "cursor" && n == 0 {
		return page, q.token, true // nothing new: the cursor stays
	}
	if first+n >= len(list) && a.stream().Position.Type != "cursor" && !a.always || a.always && n == 0 && !a.shortPages {
		return page, "", true
	}
	switch a.tokens {
	case "snapshot":
		next = fmt.Sprintf("%s.%d", name, first+n)
	case "offset":
		next = strconv.Itoa(first + n)
	default:
		last := q.token
		if n > 0 {
			last = base64.RawURLEncoding.EncodeToString([]byte(page[n-1].id))
		}
		if last == "" { // nothing to be after
			return page, "", true
		}
		next = last
	}
	return page, next, true
}

// quote is a text as JSON.
func quote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
