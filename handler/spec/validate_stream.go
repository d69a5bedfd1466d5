package spec

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/scan"
)

func (s *Stream) setDefaults() {
	s.Request.setDefaults()
	s.Paging.setDefaults()
	if s.Prepare != nil {
		s.Prepare.Request.setDefaults()
	}
	for i := range s.Steps {
		s.Steps[i].Request.setDefaults()
		s.Steps[i].Paging.setDefaults()
		if a := s.Steps[i].Auth; a != nil {
			a.setDefaults()
		}
	}
	if j := s.Job; j != nil {
		j.Status.setDefaults()
		j.Download.setDefaults()
		if j.Delete != nil {
			j.Delete.setDefaults()
		}
		if j.Every == 0 {
			j.Every = Duration(15 * time.Second)
		}
		if j.Timeout == 0 {
			j.Timeout = Duration(6 * time.Hour)
		}
	}
	if p := &s.Position; p.Type != "window" && p.Granularity == 0 {
		p.Granularity = Duration(time.Second)
	}
	if p := &s.Position; p.Type == "snapshot" && p.Every == 0 {
		p.Every = Duration(24 * time.Hour)
	}
}

func (r *Request) setDefaults() { r.Method = or(r.Method, "GET") }
func (p *Paging) setDefaults()  { p.Type = or(p.Type, "none") }

// path checks a path into a response; single, that it leads to one value inside.
func (v *validator) path(at, text string, single bool) {
	if text == "" {
		return
	}
	p, err := scan.ParsePath(text)
	if err != nil {
		v.errorf(at, "%v: write $.items, $.a['b c'], $.list[0] or $.list[*].id", err)
		return
	}
	if _, ok := p.Steps(); single && (!ok || text == "$") {
		v.errorf(at, "%q has to lead to one value, such as $.meta.next", text)
	}
}

func (v *validator) stream(s *Stream, path string) {
	if !snakePattern.MatchString(s.Name) {
		v.errorf(path+".name", "stream %q has to be lower-case letters, digits and underscores", s.Name)
	}
	if s.Needs != "" && v.c.Setting(s.Needs) == nil {
		v.errorf(path+".needs", "there is no setting %s%s", s.Needs, nearest.Hint(s.Needs, v.settingNames()))
	}
	known := v.forEach(s, path)
	if s.Empty != "$" {
		v.path(path+".empty", s.Empty, true)
	}
	v.position(&s.Position, path+".position")
	v.cursor(s, path)
	v.list(&listing{&s.Request, &s.Paging, &s.Response, &s.Success, s.Errors, &s.Explode, s.Records, &s.Position}, path, known)
	if s.PreparesLate() && s.Prepare == nil {
		v.errorf(path+".errors", "a rule says prepare, and the stream has nothing below prepare")
	}
	if p := s.Prepare; p != nil {
		v.request(&p.Request, path+".prepare.request", known)
		v.rules(p.Errors, path+".prepare")
	}
	if s.Job != nil {
		v.job(s, path, known)
	}
	for i := range s.Steps {
		v.step(s, i, fmt.Sprintf("%s.steps[%d]", path, i), known)
	}
	v.asksForWindow(s, path)
	t := v.c.Table(s.Table)
	if t == nil {
		v.errorf(path+".table", "there is no table %s below tables:%s", s.Table, nearest.Hint(s.Table, v.tableNames()))
		return
	}
	v.braces(path+".position.id", s.Position.ID)
	v.braces(path+".position.time", s.Position.Time)
	switch prog, err := s.Compile(t, v.c.Constants("", "", nil)); {
	case err == nil:
		v.known(s, prog, path)
	case !v.tableBroken(t):
		v.errorf(path+".position", "%s", indent(err))
	}
}

// known checks that a record which may stand without a list can be told from an error
// that came in its place.
func (v *validator) known(s *Stream, prog *kql.Program, path string) {
	records, format, alone := s.Records, s.Response.Format, false
	if n := len(s.Steps); n > 0 {
		last := &s.Steps[n-1]
		records, format, alone = last.Records, last.Response.Format, last.Join == ""
	}
	if records != "$" || s.Position.ID != "" || !(alone && (format == "" || format == "json") || format == "ndjson") {
		return
	}
	m := prog.Runner()
	if _, _, err := m.Map([]byte("{}"), nil); err != nil {
		return
	}
	if _, timed := m.EventTime(); timed {
		v.errorf(path+".position", "a record that stands without a list is known by its id or its time, and an error with status 200 has neither: write id, or a time that the record has")
	}
}

func (v *validator) settingNames() []string {
	var names []string
	for _, s := range v.c.Settings {
		names = append(names, s.Name)
	}
	return names
}

// cursorPaging are the ways of paging whose token can outlive a run.
var cursorPaging = []string{"link_header", "next_url", "token", "last_record", "iterator"}

// cursor checks that a stream's position and its way of paging go together.
func (v *validator) cursor(s *Stream, path string) {
	switch {
	case s.Position.Type == "cursor" && !slices.Contains(cursorPaging, s.Paging.Type):
		v.errorf(path+".paging", "a cursor is a page token that outlives the run: paging has to be one of %s", strings.Join(cursorPaging, ", "))
	case s.Position.Type == "cursor" && (s.Job != nil || len(s.Steps) > 0):
		v.errorf(path+".position", "a stream with job or steps has no cursor")
	case s.Position.Type != "cursor" && s.Paging.Type == "iterator":
		v.errorf(path+".position", "an iterator is a cursor of the provider's: write type: cursor")
	}
}

// forEach checks the parts of a stream, and returns the placeholders of its requests.
func (v *validator) forEach(s *Stream, path string) []string {
	known := []string{"window.from", "window.to"}
	f := s.ForEach
	if f == nil {
		return known
	}
	if len(f.Values) == 0 && f.Setting == "" {
		v.errorf(path+".for_each", "name the parts: values: [a, b], or the setting that lists them")
	}
	seen := map[string]bool{}
	for i, part := range f.Values {
		at := fmt.Sprintf("%s.for_each.values[%d]", path, i)
		if strings.TrimSpace(part) != part || part == "" {
			v.errorf(at, "the part %q is empty, or has a blank at an end", part)
		}
		if seen[part] {
			v.errorf(at, "part %s is there twice", part)
		}
		seen[part] = true
	}
	switch named := v.c.Setting(f.Setting); {
	case f.Setting == "":
	case named == nil:
		v.errorf(path+".for_each.setting", "there is no setting %s%s", f.Setting, nearest.Hint(f.Setting, v.settingNames()))
	case len(f.Values) == 0 && !named.Required && named.Default == "" && s.Needs != f.Setting:
		v.errorf(path+".for_each.setting", "without the setting %s there are no parts: give it required: true or a default, or the stream needs: %s", f.Setting, f.Setting)
	}
	return append(known, "part")
}

// listing is what a stream and a step have in common: a request and its pages.
type listing struct {
	request  *Request
	paging   *Paging
	response *Response
	success  *Success
	errors   []ErrorRule
	explode  *Explode
	records  string
	position *Position // of the stream
}

func (v *validator) list(l *listing, path string, known []string) {
	v.request(l.request, path+".request", known)
	v.paging(l, path+".paging", known)
	v.path(path+".records", l.records, false)
	if at := l.explode.At; at != "" && (strings.ContainsAny(at, "$[") || slices.Contains(strings.Split(at, "."), "")) {
		v.errorf(path+".explode.at", "%q has to be a member of the record, such as events or found.events", at)
	}
	v.encoding(l, path)
	v.answers(l, path)
	v.exact(l, path)
}

func (v *validator) step(s *Stream, i int, path string, known []string) {
	st := &s.Steps[i]
	if st.Batch > 0 {
		known = append(slices.Clone(known), "items")
	} else {
		known = append(slices.Clone(known), "item")
	}
	if st.Batch > 0 && st.Join != "" {
		v.errorf(path+".join", "what was looked up for a batch cannot be joined to one record")
	}
	if st.Key != "" {
		v.path(path+".key", st.Key, true)
		if st.Batch == 0 || st.Paging.Type != "none" {
			v.errorf(path+".key", "key tells whether the one answer to a batch has all of it: the step needs batch, and no paging")
		}
	}
	if st.Once && i < len(s.Steps)-1 {
		v.errorf(path+".once", "what a step leads to before another one may change: write once: true at the last step only")
	}
	for _, o := range st.Origins {
		if !originPattern.MatchString(o) {
			v.errorf(path+".origins", "%q has to be a host, or *. and a domain", o)
		}
	}
	if st.Auth != nil {
		v.auth(st.Auth, path+".auth")
	}
	if st.Paging.Type == "iterator" {
		v.errorf(path+".paging", "an iterator is for a stream's own list")
	}
	v.list(&listing{&st.Request, &st.Paging, &st.Response, &st.Success, st.Errors, &st.Explode, st.Records, &s.Position}, path, known)
}

func (v *validator) job(s *Stream, path string, known []string) {
	j := s.Job
	at := path + ".job"
	if s.Paging.Type != "none" {
		v.errorf(path+".paging", "a job has parts, and no pages")
	}
	v.path(at+".id", j.ID, true)
	v.path(at+".at", j.At, true)
	v.path(at+".parts", j.Parts, false)
	for i, lost := range j.Lost {
		v.path(fmt.Sprintf("%s.lost[%d]", at, i), lost, false)
	}
	if (j.At == "") != (len(j.Done) == 0) {
		v.errorf(at, "say which statuses mean that the job is done: at: $.status, done: [FINISHED]")
	}
	if j.At == "" && len(j.Failed) > 0 {
		v.errorf(at+".failed", "say where the status is: at: $.status")
	}
	known = append(slices.Clone(known), "job")
	v.request(&j.Status, at+".status", known)
	v.request(&j.Download, at+".download", append(known, "part"))
	if j.Delete != nil {
		v.request(j.Delete, at+".delete", known)
	}
}

func (v *validator) request(r *Request, path string, known []string) {
	switch {
	case r.Path == "" && r.URL == "" || r.Path != "" && r.URL != "":
		v.errorf(path, "a request needs a path below base_url, or the url that a record has")
	case r.URL != "" && !strings.HasPrefix(r.URL, "{item") && !strings.HasPrefix(r.URL, "{job"):
		v.errorf(path+".url", "url is what a record has, such as {item.url}; write path for one that is known")
	}
	if r.Path != "" {
		v.requestPath(path+".path", r.Path)
	}
	v.placeholders(path+".path", r.Path, known)
	v.placeholders(path+".url", r.URL, known)
	v.tree(path+".query", r.Query, known)
	v.headers(path+".headers", r.Headers, known)
	for k := range r.Headers {
		if strings.EqualFold(k, "Authorization") {
			v.errorf(path+".headers."+k, "credentials belong into auth")
		}
	}
	v.tree(path+".body", r.Body, known)
	if r.Body != nil && r.Method == "GET" {
		v.errorf(path+".body", "a GET request has no body: write method: POST")
	}
}

// encoding checks that bodies can be sent as the stream says.
func (v *validator) encoding(l *listing, path string) {
	path += ".request"
	if l.request.Encode != "" && l.request.Body == nil && l.paging.Body == nil {
		v.errorf(path+".encode", "there is no body to encode")
	}
	for _, body := range []any{l.request.Body, l.paging.Body} {
		fields, isMap := body.(map[string]any)
		_, isText := body.(string)
		switch {
		case body == nil:
		case l.request.Encode == "form" && !isMap:
			v.errorf(path+".encode", "a form is keys and values")
		case l.request.Encode == "text" && !isText:
			v.errorf(path+".encode", "write the body as a text: body: |")
		}
		if l.request.Encode != "form" {
			continue
		}
		for k, val := range fields {
			if _, nested := val.(map[string]any); nested {
				v.errorf(path+".body."+k, "a field of a form is a value or a list of values")
			}
		}
	}
}

// answers checks what a stream says about responses.
func (v *validator) answers(l *listing, path string) {
	d := l.response
	switch {
	case d.Format != "csv" && (d.Delimiter != "" || d.NoHeader):
		v.errorf(path+".response", "delimiter and no_header are for format: csv")
	case d.Format == "csv" && (len([]rune(d.Delimiter)) > 1 || strings.ContainsAny(d.Delimiter, "\"\r\n")):
		v.errorf(path+".response.delimiter", "the delimiter %q has to be one character, and no quote or line end; a tab is \"\\t\" in double quotes", d.Delimiter)
	case (d.Format == "csv" || d.Format == "lines" || d.Format == "parquet") && l.records != "$":
		v.errorf(path+".records", "the records of a %s are its rows: write records: $", d.Format)
	case d.Columns != "" && d.Unwrap != "":
		v.errorf(path+".response", "columns are for records that are lists, unwrap for records that are texts")
	}
	v.path(path+".response.columns", d.Columns, false)
	v.path(path+".success.at", l.success.At, true)
	v.path(path+".success.absent", l.success.Absent, true)
	if (l.success.At == "") != (l.success.Is == "") {
		v.errorf(path+".success", "say where the status is and what it is: at: $.status, is: ok")
	}
	v.rules(l.errors, path)
}

func (v *validator) rules(rules []ErrorRule, path string) {
	for i, r := range rules {
		at := fmt.Sprintf("%s.errors[%d]", path, i)
		switch {
		case r.Status == 0 && r.Body == "":
			v.errorf(at, "the rule fits every error: give it a status or a text in the body")
		case r.Status != 0 && (r.Status < 100 || r.Status > 599):
			v.errorf(at+".status", "%d is no status code", r.Status)
		case r.Do == "new_token" && !v.c.Auth.tokens() && !strings.Contains(path, ".steps"):
			v.errorf(at+".do", "auth of type %s has no tokens", v.c.Auth.Type)
		}
	}
}

// pagingKeys are the keys that each type of paging needs, and may have.
var pagingKeys = map[string]keySet{
	"none":        {may: []string{"total"}},
	"link_header": {may: []string{"rel", "stop", "more", "max_pages", "size", "total"}},
	"next_url":    {may: []string{"url", "url_header", "stop", "more", "max_pages", "size", "total"}},
	"token":       {may: []string{"token", "token_header", "query", "headers", "body", "only", "stop", "more", "max_pages", "size", "total"}},
	"offset":      {may: []string{"query", "headers", "body", "only", "stop", "more", "max_pages", "size", "total"}},
	"page":        {may: []string{"query", "headers", "body", "only", "stop", "more", "max_pages", "size", "total", "zero_based"}},
	"last_record": {needs: []string{"token"}, may: []string{"query", "headers", "body", "only", "stop", "more", "max_pages", "size", "total"}},
	"iterator":    {needs: []string{"first", "next"}, may: []string{"query", "headers", "body", "more", "size", "stop"}},
}

func (v *validator) paging(l *listing, path string, known []string) {
	p := l.paging
	given := map[string]bool{"url": p.URL != "", "url_header": p.URLHeader != "", "rel": p.Rel != "", "token": p.Token != "", "token_header": p.TokenHeader != "", "more": p.More != "",
		"total": p.Total != "", "size": p.Size != 0, "zero_based": p.ZeroBased, "query": p.Query != nil, "headers": p.Headers != nil, "body": p.Body != nil, "only": p.Only,
		"stop": p.Stop != "", "max_pages": p.MaxPages != 0, "first": p.First != "", "next": p.Next != ""}
	keys := pagingKeys[p.Type]
	v.keys(path, "paging of type "+p.Type, given, keys)
	for k, text := range map[string]string{"more": p.More, "total": p.Total} {
		v.path(path+"."+k, text, true)
	}
	v.path(path+".url", p.URL, false)
	v.path(path+".token", p.Token, p.Type == "last_record")
	switch {
	case p.URL == "$" || p.Token == "$":
		v.errorf(path, "$ is the whole response: write where in it the next page is, such as $.next")
	case p.Type == "token" && given["token"] == given["token_header"]:
		v.errorf(path, "paging by token needs token: a path such as $.cursor, or token_header: the name of a header")
	case p.Type == "next_url" && given["url"] == given["url_header"]:
		v.errorf(path, "paging by next_url needs url: a path such as $.next, or url_header: the name of a header")
	}
	if slices.Contains(keys.may, "query") && !mentions(p, "{page.token}") {
		v.errorf(path, "paging of type %s has to say where {page.token} goes: query, headers or body", p.Type)
	}
	if p.Size == 0 && (p.Stop == "short_page" || mentions(p, "{page.size}")) {
		v.errorf(path, "say how many records a full page has: size: 100")
	}
	v.placeholders(path+".first", p.First, known)
	if p.Type == "iterator" && !mentions(p, "{page.reader}") {
		v.errorf(path, "paging of type iterator has to say where {page.reader} goes: query, headers or body")
	}
	known = append(slices.Clone(known), "page.token", "page.size", "page.reader")
	v.tree(path+".query", p.Query, known)
	v.headers(path+".headers", p.Headers, known)
	v.header(path+".token_header", p.TokenHeader)
	v.header(path+".url_header", p.URLHeader)
	v.tree(path+".body", p.Body, known)
	if keys, ok := p.Body.(map[string]any); ok {
		v.bodyPaths(keys, l, path)
	}
}

// bodyPaths checks keys such as $.variables.after.
func (v *validator) bodyPaths(keys map[string]any, l *listing, path string) {
	places := 0
	for k := range keys {
		if strings.HasPrefix(k, "$.") {
			places++
			v.path(path+".body", k, true)
		}
	}
	switch _, isTree := l.request.Body.(map[string]any); {
	case places > 0 && places < len(keys):
		v.errorf(path+".body", "the keys of the body are either all places such as $.variables.after, or none is")
	case places > 0 && !isTree:
		v.errorf(path+".body", "there is no body of request to set places in")
	}
}

// mentions reports whether a parameter of the next request has a placeholder.
func mentions(p *Paging, placeholder string) (found bool) {
	for _, x := range []any{p.Query, p.Headers, p.Body} {
		eachText("", x, func(_, text string) { found = found || strings.Contains(text, placeholder) })
	}
	return found
}

// positionKeys are the keys that each type of position needs, and may have, besides
// time and id.
var positionKeys = map[string]keySet{
	"window":   {needs: []string{"order", "granularity", "bounds", "lag", "overlap", "retention"}, may: []string{"max_window"}},
	"cursor":   {may: []string{"granularity", "overlap", "retention"}},
	"snapshot": {may: []string{"granularity", "retention", "every"}},
}

func (v *validator) position(p *Position, path string) {
	given := map[string]bool{"order": p.Order != "", "bounds": p.Bounds != "", "granularity": p.Granularity != 0, "lag": v.places.Has(path + ".lag"), "overlap": v.places.Has(path + ".overlap"),
		"retention": p.Retention != 0, "max_window": p.MaxWindow != 0, "every": p.Every != 0}
	v.keys(path, "a position of type "+p.Type, given, positionKeys[p.Type])
	if p.Granularity > Duration(day) {
		v.errorf(path+".granularity", "granularity is %s, want 1ms to 1d", p.Granularity)
	}
	if p.MaxWindow > 0 && p.MaxWindow < p.Overlap+max(p.Granularity, 1) {
		v.errorf(path+".max_window", "max_window has to be longer than overlap, by granularity at least, or no window would make progress")
	}
	if p.Type == "window" && p.Retention > 0 && p.Retention <= p.Lag+p.Overlap {
		v.errorf(path+".retention", "retention has to be longer than lag and overlap, or what a window asks for is gone already")
	}
}
