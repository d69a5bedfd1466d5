package proof

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// API is what is collected: a connector, and how its provider speaks.
type API struct {
	Name          string
	spec          *spec.Connector
	streamName    string
	settings      map[string]string
	authorization string
	whole         bool // all kinds of records, and rows are compared whole

	tokens     string        // after a record, offset or snapshot
	expiry     time.Duration // of snapshots
	pageSize   int
	shortPages bool   // pages may have fewer records, or none
	always     bool   // there is always a next page; an empty one is the last
	doubles    bool   // a page has some records twice
	quota      int    // requests a minute
	maxPages   int    // of a listing
	objects    bool   // every record is an object
	details    bool   // what a record leads to may be gone for good
	claims     string // how records say when they happened
	dateless   bool   // answers have no date

	serve  func(*provider, http.ResponseWriter, *http.Request) bool
	parse  func(*http.Request) (query, error)
	write  func(rw http.ResponseWriter, req *http.Request, records []string, next string)
	record func(*record) string
	name   func(row map[string]any) string // which record a row comes from
	same   func(row map[string]any, r *record) error
}

func (a *API) stream() *spec.Stream { return a.spec.Stream(a.streamName) }
func (a *API) table() *spec.Table   { return a.spec.Table(a.stream().Table) }

// connector is the one that collects; after its upgrade pages are of another size.
func (a *API) connector(upgraded bool) *spec.Connector {
	if !upgraded {
		return a.spec
	}
	c := *a.spec
	c.Streams = slices.Clone(c.Streams)
	c.Stream(a.streamName).Paging.Size += 5
	return &c
}

func (a *API) host() string {
	base := a.spec.BaseURL
	for k, v := range a.settings {
		base = strings.ReplaceAll(base, "{"+k+"}", v)
	}
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return u.Host
}

// token is the page token of a request.
func (a *API) token(req *http.Request) string {
	q, err := a.parse(req)
	if err != nil {
		return ""
	}
	return q.token
}

// lists reports whether a request is for a list of records, or of what leads to them:
// what is answered to others may be one object.
func (a *API) lists(req *http.Request) bool {
	if a.stream().Job != nil {
		return false
	}
	return !strings.HasPrefix(req.URL.Path, "/detail/")
}

// nextPage has an answer name a wrong next page.
func (a *API) nextPage(name, url string) fault {
	if a.stream().Paging.Type != "link_header" {
		return respond("500", 500, "")
	}
	return fault{name: name, change: func(resp *http.Response) { resp.Header.Set("Link", link(url)) }}
}

// Knobs are what a synthetic API can be like.
type Knobs struct {
	Order, Bounds, Tokens          string
	Paging                         string // one of dialects
	Granularity, Lag, Overlap, Max string // durations as in a spec; Max may be empty
	Nameless                       bool   // records have no id
	PageSize, Quota                int
	MaxPages                       int // of a listing, where pages are counted
	ShortPages, Always, Doubles    bool
	Expiry                         time.Duration
	Claims                         string // ahead: records say local time, two hours ahead of what they are listed by; behind: five hours back; some: some of both
	Dateless                       bool
	Retention                      string // how long the provider keeps records: as in a spec; "": 90d
}

const secret = "SSWS-simulated-secret"

// Synthetic is an API that nobody has, with the properties one asks for.
func Synthetic(t testing.TB, k Knobs) *API {
	d, ok := dialects[k.Paging]
	if !ok {
		t.Fatalf("there is no way of paging %q", k.Paging)
	}
	k.PageSize = max(k.PageSize, 1)
	if d.tokens != "" {
		k.Tokens = d.tokens
	}
	if d.full {
		k.ShortPages, k.Doubles, k.Always = false, false, false
	}
	request, paging := `{path: /events, query: {from: "{window.from:rfc3339_ms}", to: "{window.to:rfc3339_ms}"}}`, strings.ReplaceAll(d.paging, "SIZE", strconv.Itoa(k.PageSize))
	if d.request != "" {
		request = d.request
	}
	if d.body {
		request = `{method: POST, path: /events, body: {from: "{window.from:rfc3339_ms}", to: "{window.to:rfc3339_ms}"}}`
	}
	if k.MaxPages > 0 {
		paging = strings.TrimSuffix(paging, "}") + fmt.Sprintf(", max_pages: %d}", k.MaxPages)
	}
	if k.Always {
		paging = strings.TrimSuffix(paging, "}") + ", stop: empty_page}"
	}
	id := "id: id, "
	if k.Nameless {
		id, k.Doubles = "", false // without ids, the same record twice in a page is two events
	}
	maxWindow := ""
	if k.Max != "" {
		maxWindow = ", max_window: " + k.Max
	}
	position := fmt.Sprintf("{type: window, time: todatetime(at), %sorder: %s, granularity: %s, bounds: %q, lag: %s, overlap: %s%s, retention: %s}", id, k.Order, k.Granularity, k.Bounds, k.Lag, k.Overlap, maxWindow, cmp.Or(k.Retention, "90d"))
	if d.position != "" {
		position = d.position
	}
	more := ""
	if d.steps != "" {
		more = "\n    steps: " + d.steps
	}
	if d.job {
		more = "\n    job: " + jobSpec
	}
	text := fmt.Sprintf(`
name: synthetic
title: Synthetic
publisher: Nobody
support: {tier: community}
description: A provider that nobody has.
settings: [{name: token, secret: true, required: true}]
base_url: https://provider.example
auth: {type: bearer, value: "{token}"}
streams:
  - name: events
    request: %s
    paging: %s
    records: %s%s
    position: %s
    table: Synthetic_CL
tables:
  - name: Synthetic_CL
    where: tostring(kind) != "noise"
    columns:
      - {name: TimeGenerated, type: datetime, kql: todatetime(at)}
      - {name: Name, type: string, kql: tostring(id)}
      - {name: Number, type: long, kql: tolong(number)}
      - {name: Text, type: string, kql: tostring(text)}
      - {name: Payload, type: dynamic, kql: payload}
`, request, paging, cmp.Or(d.records, "$"), more, position)
	c, err := spec.Parse("synthetic.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	a := &API{Name: fmt.Sprintf("synthetic %+v", k), spec: c, streamName: "events", settings: map[string]string{"token": secret}, authorization: "Bearer " + secret, whole: true,
		tokens: k.Tokens, expiry: k.Expiry, pageSize: k.PageSize, shortPages: k.ShortPages, always: k.Always, doubles: k.Doubles, quota: k.Quota,
		maxPages: k.MaxPages, objects: d.objects, details: d.details, claims: k.Claims, dateless: k.Dateless, serve: d.serve, parse: d.parse, write: d.write}
	if d.whole {
		a.pageSize = 1 << 30
	}
	a.record = func(r *record) string {
		switch r.kind {
		case scalar:
			return quote(r.id + " is no object")
		case noise:
			return fmt.Sprintf(`{"id":%q,"at":%q,"kind":"noise"}`, r.id, r.says.Format(time.RFC3339Nano))
		case garbled:
			return fmt.Sprintf("{\"id\":%q,\"at\":%q,\"text\":\"] a raw \b and a \x00, \"}", r.id, r.says.Format(time.RFC3339Nano))
		case poison:
			r.text = poisonous
		}
		return fmt.Sprintf(`{ "id":%q, "at":%q, "number":%d,"text":%s,"payload":%s}`, r.id, r.says.Format(time.RFC3339Nano), r.number, quote(r.text), quote(r.extra))
	}
	a.name = func(row map[string]any) string { s, _ := row["Name"].(string); return s }
	a.same = func(row map[string]any, r *record) error {
		n, _ := row["Number"].(json.Number)
		text, _ := row["Text"].(string) // an empty one is left out
		switch {
		case row["Name"] != r.id:
			return fmt.Errorf("the column Name is %v", row["Name"])
		case n.String() != fmt.Sprint(r.number):
			return fmt.Errorf("the column Number is %v, not %d", row["Number"], r.number)
		case text != r.text:
			return fmt.Errorf("the column Text is %q, not %q", text, r.text)
		case !reflect.DeepEqual(floats(row["Payload"]), r.extra):
			return fmt.Errorf("the column Payload is %v, not %v", row["Payload"], r.extra)
		}
		return nil
	}
	return a
}

// floats turns the numbers of a JSON tree into those that encoding/json makes
// when it is not told otherwise.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k, e := range v {
			v[k] = floats(e)
		}
	case []any:
		for i, e := range v {
			v[i] = floats(e)
		}
	}
	return v
}

// Connectors are three real ones with their providers' ways.
func Connectors(t testing.TB) []*API {
	find := func(name string) *spec.Connector {
		c, err := connectors.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	sameText := func(column string) func(map[string]any, *record) error {
		return func(row map[string]any, r *record) error {
			if text, _ := row[column].(string); text != r.text {
				return fmt.Errorf("%s is %q, not %q", column, text, r.text)
			}
			return nil
		}
	}
	apis := []*API{
		{Name: "okta", spec: find("okta"), streamName: "system_log", settings: map[string]string{"domain": "contoso.okta.com", "api_token": secret}, authorization: "SSWS " + secret,
			tokens: "after", pageSize: 7, always: true,
			parse: parseQuery("since", "until", "after"), write: writeLink("after"), same: sameText("EventMessage"),
			record: func(r *record) string {
				return fmt.Sprintf(`{"uuid":%q,"published":%q,"eventType":"user.session.start","displayMessage":%s}`, r.id, r.at.Format("2006-01-02T15:04:05.000Z"), quote(r.text))
			}},
		{Name: "github", spec: find("github"), streamName: "audit_org", settings: map[string]string{"organization": "contoso", "token": secret}, authorization: "Bearer " + secret,
			tokens: "after", pageSize: 7,
			parse: parsePhrase, write: writeLink("after"), same: sameText("Action"),
			record: func(r *record) string {
				return fmt.Sprintf(`{"_document_id":%q,"@timestamp":%d,"action":%s}`, r.id, r.at.UnixMilli(), quote(r.text))
			}},
		{Name: "1password", spec: find("1password"), streamName: "signin_attempts", settings: map[string]string{"events_host": "events.1password.com", "token": secret}, authorization: "Bearer " + secret,
			tokens: "snapshot", expiry: time.Hour, pageSize: 7,
			parse: parseBody("start_time", "end_time"), write: writeWindow("start_time", "end_time"), same: sameText("country"),
			record: func(r *record) string {
				return fmt.Sprintf(`{"uuid":%q,"timestamp":%q,"country":%s}`, r.id, r.at.Format(time.RFC3339Nano), quote(r.text))
			}},
	}
	for _, a := range apis {
		a.name = func(row map[string]any) string { // where streams share a table, the EventUid has the stream's name before the id
			uid, _ := row["EventUid"].(string)
			return strings.TrimPrefix(uid, a.streamName+"/")
		}
	}
	return apis
}

// parseQuery reads a request that has all in its query.
func parseQuery(from, to, token string) func(*http.Request) (query, error) {
	return func(req *http.Request) (q query, err error) {
		v := req.URL.Query()
		q.token = v.Get(token)
		return q, q.times(v.Get(from), v.Get(to))
	}
}

func (q *query) times(from, to string) error {
	var err1, err2 error
	q.from, err1 = time.Parse(time.RFC3339, from)
	q.to, err2 = time.Parse(time.RFC3339, to)
	return errors.Join(err1, err2)
}

// parsePhrase reads GitHub's search phrase.
func parsePhrase(req *http.Request) (q query, err error) {
	v := req.URL.Query()
	from, to, _ := strings.Cut(strings.TrimPrefix(v.Get("phrase"), "created:"), "..")
	q.token = v.Get("after")
	return q, q.times(from, to)
}

// parseBody reads a POST that has a window, or a cursor that holds one.
func parseBody(from, to string) func(*http.Request) (query, error) {
	return func(req *http.Request) (q query, err error) {
		var in map[string]any
		if req.Body == nil {
			return q, errors.New("there is no body")
		}
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return q, err
		}
		req.Body = io.NopCloser(bytes.NewReader(data))
		if err := json.Unmarshal(data, &in); err != nil {
			return q, err
		}
		if c, ok := in["cursor"].(string); ok {
			raw, err := base64.URLEncoding.DecodeString(c)
			part := strings.SplitN(string(raw), "|", 3)
			if err != nil || len(part) != 3 {
				return q, fmt.Errorf("cursor %q: %v", c, err)
			}
			q.token = part[2]
			return q, q.times(part[0], part[1])
		}
		f, _ := in[from].(string)
		t, _ := in[to].(string)
		return q, q.times(f, t)
	}
}

// writeLink answers with an array and a Link header.
func writeLink(token string) func(http.ResponseWriter, *http.Request, []string, string) {
	return func(rw http.ResponseWriter, req *http.Request, records []string, next string) {
		if next != "" {
			v := req.URL.Query()
			v.Set(token, next)
			u := *req.URL
			u.RawQuery = v.Encode()
			rw.Header().Add("Link", fmt.Sprintf("<%s>; rel=\"self\"", req.URL))
			rw.Header().Add("Link", link(u.String()))
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, "["+strings.Join(records, ",\n")+"]")
	}
}

// writeObject answers with an object that has records and a cursor.
func writeObject(rw http.ResponseWriter, _ *http.Request, records []string, next string) {
	rw.Header().Set("Content-Type", "application/json")
	cursor := quote(next)
	if next == "" {
		cursor = "null"
	}
	fmt.Fprintf(rw, `{"items":[%s],"cursor":%s,"more":%v}`, strings.Join(records, ", "), cursor, next != "")
}

// writeWindow is writeObject with a cursor that holds the window, and is there
// on the last page too.
func writeWindow(from, to string) func(http.ResponseWriter, *http.Request, []string, string) {
	parse := parseBody(from, to)
	return func(rw http.ResponseWriter, req *http.Request, records []string, next string) {
		q, _ := parse(req)
		cursor := base64.URLEncoding.EncodeToString([]byte(q.from.Format(time.RFC3339Nano) + "|" + q.to.Format(time.RFC3339Nano) + "|" + next))
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"cursor":%q,"has_more":%v,"more":%v,"items":[%s]}`, cursor, next != "", next != "", strings.Join(records, ","))
	}
}

// randomKnobs are those of a seed.
func randomKnobs(r *rand.Rand) Knobs {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	k := Knobs{
		Order: pick("ascending", "ascending", "descending", "none"), Bounds: pick("[)", "[]", "(]", "()"),
		Paging: pick(slices.Sorted(maps.Keys(dialects))...), Tokens: pick("after", "offset", "snapshot"),
		Granularity: pick("1ms", "1s"), Lag: pick("0s", "1m", "5m"), Overlap: pick("0s", "2m", "10m"), Max: pick("", "30m", "6h"),
		Nameless: r.IntN(4) == 0, PageSize: 1 + r.IntN(30), ShortPages: r.IntN(3) == 0, Doubles: r.IntN(4) == 0,
		Expiry: time.Duration(1+r.IntN(20)) * time.Minute,
		Claims: pick("", "", "", "ahead", "behind", "some"), Dateless: r.IntN(4) == 0,
	}
	if k.Paging == "snapshot" { // a full list cannot be listed in parts
		k.Expiry, k.PageSize = 24*time.Hour, 10+r.IntN(20) // and within the time to the next
	}
	k.Always = r.IntN(4) == 0 && !k.ShortPages && slices.Contains([]string{"link", "url", "query", "header"}, k.Paging)
	k.ShortPages = k.ShortPages && k.Paging != "none"
	if (k.Paging == "offset" || k.Paging == "page") && r.IntN(2) == 0 {
		k.PageSize, k.MaxPages, k.Overlap = 20+r.IntN(20), 3+r.IntN(4), pick("0s", "2m")
	}
	if r.IntN(4) == 0 {
		k.Quota = 5 + r.IntN(20)
	}
	return k
}
