package spec

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/nearest"
)

// DefaultSchedule is every five minutes.
const DefaultSchedule = "0 */5 * * * *"

// Parse decodes, completes and validates a connector.yaml. file names it in errors.
func Parse(file string, data []byte) (*Connector, error) {
	c := new(Connector)
	places, err := Decode(file, data, c)
	if err != nil {
		return nil, err
	}
	c.setDefaults()
	v := &validator{c: c, places: places}
	v.connector()
	return c, errors.Join(v.errs...)
}

func (c *Connector) setDefaults() {
	if c.Schedule == "" {
		c.Schedule = DefaultSchedule
	}
	if c.Limits.Share == 0 {
		c.Limits.Share = 0.5
	}
	if a := c.Auth; a.Type == "api_key" && a.Header == "" && a.Query == "" && a.Cookie == "" {
		c.Auth.Header = "Authorization"
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		if s.Request.Method == "" {
			s.Request.Method = "GET"
		}
		if s.Paging.Type == "" {
			s.Paging.Type = "none"
		}
	}
}

type validator struct {
	c      *Connector
	places *Places
	errs   []error
}

func (v *validator) errorf(path, format string, args ...any) {
	v.errs = append(v.errs, v.places.Problem(path, format, args...))
}

var (
	namePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	aliasPattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	snakePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	tablePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,58}_CL$|^(ASim|AWS|GCP)[A-Za-z0-9]+$`)
	// The documentation says 45 characters; Microsoft's own GitHubAuditLogsV2_CL has 53.
	columnPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,59}$`)
)

// Placeholder matches {name} and {name:format}; its groups are name and format.
var Placeholder = regexp.MustCompile(`\{([a-z][a-z0-9_.]*)(?::([^{}]+))?\}`)

// Reserved column names of Log Analytics (learn.microsoft.com, "Logs Ingestion
// API": reserved column names).
var reserved = []string{"_resourceid", "id", "_subscriptionid", "tenantid", "type", "uniqueid", "title"}

func (v *validator) connector() {
	c := v.c
	if !namePattern.MatchString(c.Name) {
		v.errorf("name", "name %q has to be lower-case letters, digits and hyphens", c.Name)
	}
	if !aliasPattern.MatchString(c.FunctionName()) {
		v.errorf("name", "name %q begins with a digit: give an alias that begins with a letter", c.Name)
	}
	if n := len(strings.Fields(c.Schedule)); n != 6 && n != 5 {
		v.errorf("schedule", "schedule %q has %d fields, want six: second minute hour day month weekday", c.Schedule, n)
	}
	if c.Limits.Share < 0 || c.Limits.Share > 1 {
		v.errorf("limits.share", "share is %v, want 0 to 1", c.Limits.Share)
	}
	seen := map[string]bool{}
	for i, s := range c.Settings {
		path := fmt.Sprintf("settings[%d]", i)
		if !snakePattern.MatchString(s.Name) || s.Name == "window" || s.Name == "page" {
			v.errorf(path+".name", "setting %q has to be lower-case letters, digits and underscores", s.Name)
		}
		if seen[s.Name] {
			v.errorf(path+".name", "setting %q is there twice", s.Name)
		}
		seen[s.Name] = true
		if _, err := regexp.Compile(s.Pattern); err != nil {
			v.errorf(path+".pattern", "%v", err)
		}
		if s.Secret && s.Default != "" {
			v.errorf(path+".default", "a secret has no default")
		}
	}
	v.baseURL()
	v.auth()
	for i := range c.Streams {
		v.stream(&c.Streams[i], fmt.Sprintf("streams[%d]", i))
	}
	for i := range c.Tables {
		v.table(&c.Tables[i], fmt.Sprintf("tables[%d]", i))
	}
}

func (v *validator) baseURL() {
	v.placeholders("base_url", v.c.BaseURL, nil)
	u, err := url.Parse(Placeholder.ReplaceAllString(v.c.BaseURL, "x"))
	switch {
	case err != nil:
		v.errorf("base_url", "%v", err)
	case u.Scheme != "https":
		v.errorf("base_url", "base_url has to begin with https://")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		v.errorf("base_url", "base_url is a scheme, a host and perhaps a path")
	}
}

// authKeys are the keys that each type of auth needs, and may have.
var authKeys = map[string]struct{ needs, may []string }{
	"none":    {},
	"api_key": {needs: []string{"value"}, may: []string{"header", "query", "cookie", "prefix"}},
	"bearer":  {needs: []string{"value"}},
	"basic":   {needs: []string{"username", "password"}},
	"oauth2":  {needs: []string{"token_url", "client_id", "client_secret"}, may: []string{"grant", "credentials_in", "scope", "params", "username", "password"}},
}

func (v *validator) auth() {
	a := v.c.Auth
	texts := map[string]string{"header": a.Header, "query": a.Query, "cookie": a.Cookie, "prefix": a.Prefix, "value": a.Value, "username": a.Username, "password": a.Password,
		"token_url": a.TokenURL, "grant": a.Grant, "client_id": a.ClientID, "client_secret": a.ClientSecret, "credentials_in": a.CredentialsIn, "scope": a.Scope}
	for k, val := range a.Params {
		texts["params."+k] = val
	}
	keys, places := authKeys[a.Type], 0
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		val := texts[key]
		name, _, _ := strings.Cut(key, ".")
		switch {
		case val == "" && slices.Contains(keys.needs, key):
			v.errorf("auth", "auth of type %s needs %s", a.Type, key)
		case val != "" && !slices.Contains(keys.needs, name) && !slices.Contains(keys.may, name):
			v.errorf("auth."+key, "auth of type %s has no %s", a.Type, key)
		case val != "" && slices.Contains([]string{"header", "query", "cookie"}, key):
			places++
		}
		v.placeholders("auth."+key, val, nil)
	}
	if places > 1 {
		v.errorf("auth", "the key goes to one place: header, query or cookie")
	}
	if a.Type == "oauth2" && (a.Username != "" || a.Password != "" || a.Grant == "password") && (a.Grant != "password" || a.Username == "" || a.Password == "") {
		v.errorf("auth", "grant: password needs username and password, and only it has them")
	}
	if u := Placeholder.ReplaceAllString(a.TokenURL, "x"); u != "" && !strings.HasPrefix(u, "/") && !strings.HasPrefix(u, "https://") {
		v.errorf("auth.token_url", "token_url has to begin with https://, or with / for a path below base_url")
	}
	for _, m := range Placeholder.FindAllStringSubmatch(a.Value+a.Password+a.ClientSecret, -1) {
		if s := v.c.Setting(m[1]); s != nil && !s.Secret {
			v.errorf("auth", "the setting %s is a credential: mark it secret: true", m[1])
		}
	}
}

// placeholders checks the {…} in a text: settings, and those of extra.
func (v *validator) placeholders(path, text string, extra []string) {
	known := slices.Clone(extra)
	for _, s := range v.c.Settings {
		known = append(known, s.Name)
	}
	for _, m := range Placeholder.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, m[1]) {
			v.errorf(path, "there is no placeholder {%s}%s", m[1], nearest.Hint(m[1], known))
		}
		if _, err := TimeFormat(m[2]); err != nil {
			v.errorf(path, "%v%s", err, nearest.Hint(m[2], formatNames()))
		}
		if m[2] != "" && !strings.HasPrefix(m[1], "window.") {
			v.errorf(path, "only window.from and window.to have a format")
		}
	}
}

// tree checks the placeholders in all texts of a YAML tree.
func (v *validator) tree(path string, x any, extra []string) {
	switch x := x.(type) {
	case string:
		v.placeholders(path, x, extra)
	case map[string]any:
		for k, e := range x {
			v.tree(join(path, k), e, extra)
		}
	case []any:
		for _, e := range x {
			v.tree(path, e, extra)
		}
	}
}

// PathPattern is the form of paths into a response: $, $.a, $.a.b.
var pathPattern = regexp.MustCompile(`^\$(\.[A-Za-z_@][A-Za-z0-9_@.-]*)?$`)

func (v *validator) stream(s *Stream, path string) {
	if !snakePattern.MatchString(s.Name) {
		v.errorf(path+".name", "stream %q has to be lower-case letters, digits and underscores", s.Name)
	}
	if s.Needs != "" && v.c.Setting(s.Needs) == nil {
		v.errorf(path+".needs", "there is no setting %s", s.Needs)
	}
	window := []string{"window.from", "window.to"}
	v.request(s, path+".request", window)
	v.paging(s, path+".paging", append(window, "page.token"))
	if !pathPattern.MatchString(s.Records) {
		v.errorf(path+".records", "records %q has to be $ or a path such as $.items", s.Records)
	}
	v.answers(s, path)
	v.position(&s.Position, path+".position")
	t := v.c.Table(s.Table)
	if t == nil {
		v.errorf(path+".table", "there is no table %s below tables:%s", s.Table, nearest.Hint(s.Table, v.tableNames()))
		return
	}
	if _, err := s.Compile(t); err != nil && !v.tableBroken(t) {
		v.errorf(path+".position", "%s", indent(err))
	}
}

func (v *validator) tableNames() []string {
	var names []string
	for _, t := range v.c.Tables {
		names = append(names, t.Name)
	}
	return names
}

func (v *validator) request(s *Stream, path string, known []string) {
	r := &s.Request
	if !strings.HasPrefix(r.Path, "/") {
		v.errorf(path+".path", "path %q has to begin with /", r.Path)
	}
	v.placeholders(path+".path", r.Path, nil)
	v.values(path+".query", r.Query, known)
	for k, val := range r.Headers {
		v.placeholders(path+".headers."+k, val, known)
		if strings.EqualFold(k, "Authorization") {
			v.errorf(path+".headers."+k, "credentials belong into auth")
		}
	}
	v.tree(path+".body", r.Body, known)
	v.encoding(s, path)
	if r.Body != nil && r.Method == "GET" {
		v.errorf(path+".body", "a GET request has no body: write method: POST")
	}
}

// values checks the placeholders in parameters.
func (v *validator) values(path string, params map[string]Values, known []string) {
	for k, vals := range params {
		for _, val := range vals {
			v.placeholders(path+"."+k, val, known)
		}
	}
}

// encoding checks that bodies can be sent as the stream says.
func (v *validator) encoding(s *Stream, path string) {
	if s.Request.Encode != "" && s.Request.Body == nil && s.Paging.Body == nil {
		v.errorf(path+".encode", "there is no body to encode")
	}
	for _, body := range []any{s.Request.Body, s.Paging.Body} {
		fields, isMap := body.(map[string]any)
		_, isText := body.(string)
		switch {
		case body == nil:
		case s.Request.Encode == "form" && !isMap:
			v.errorf(path+".encode", "a form is keys and values")
		case s.Request.Encode == "text" && !isText:
			v.errorf(path+".encode", "write the body as a text: body: |")
		}
		if s.Request.Encode != "form" {
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
func (v *validator) answers(s *Stream, path string) {
	d := s.Response
	switch {
	case d.Format != "csv" && (d.Delimiter != "" || d.NoHeader):
		v.errorf(path+".response", "delimiter and no_header are for format: csv")
	case d.Format == "csv" && len([]rune(d.Delimiter)) > 1:
		v.errorf(path+".response.delimiter", "the delimiter %q has to be one character", d.Delimiter)
	case d.Format == "csv" && s.Records != "$":
		v.errorf(path+".records", "the records of a csv are its rows: write records: $")
	}
	if at := s.Success.At; at != "" && (!pathPattern.MatchString(at) || at == "$") {
		v.errorf(path+".success.at", "at %q has to be a path such as $.status", at)
	}
	for i, r := range s.Errors {
		at := fmt.Sprintf("%s.errors[%d]", path, i)
		switch {
		case r.Status == 0 && r.Body == "":
			v.errorf(at, "the rule fits every error: give it a status or a text in the body")
		case r.Status != 0 && (r.Status < 100 || r.Status > 599):
			v.errorf(at+".status", "%d is no status code", r.Status)
		case r.Do == "new_token" && v.c.Auth.Type != "oauth2":
			v.errorf(at+".do", "auth of type %s has no tokens", v.c.Auth.Type)
		}
	}
}

// pagingKeys are the keys that each type of paging needs, and may have.
var pagingKeys = map[string]struct{ needs, may []string }{
	"none":        {},
	"link_header": {may: []string{"stop", "more", "max_pages", "size"}},
	"next_url":    {needs: []string{"url"}, may: []string{"stop", "more", "max_pages", "size"}},
	"token":       {may: []string{"token", "token_header", "query", "headers", "body", "only", "stop", "more", "max_pages", "size"}},
	"offset":      {may: []string{"query", "headers", "body", "only", "stop", "more", "max_pages", "size", "total"}},
	"page":        {may: []string{"query", "headers", "body", "only", "stop", "more", "max_pages", "size", "total", "zero_based"}},
	"last_record": {needs: []string{"token"}, may: []string{"query", "headers", "body", "only", "stop", "more", "max_pages", "size"}},
}

func (v *validator) paging(s *Stream, path string, known []string) {
	p := &s.Paging
	given := map[string]bool{"url": p.URL != "", "token": p.Token != "", "token_header": p.TokenHeader != "", "more": p.More != "", "total": p.Total != "", "size": p.Size != 0,
		"zero_based": p.ZeroBased, "query": p.Query != nil, "headers": p.Headers != nil, "body": p.Body != nil, "only": p.Only, "stop": p.Stop != "", "max_pages": p.MaxPages != 0}
	keys := pagingKeys[p.Type]
	for _, k := range slices.Sorted(maps.Keys(given)) {
		switch {
		case given[k] && !slices.Contains(keys.needs, k) && !slices.Contains(keys.may, k):
			v.errorf(path+"."+k, "paging of type %s has no %s", p.Type, k)
		case !given[k] && slices.Contains(keys.needs, k):
			v.errorf(path, "paging of type %s needs %s", p.Type, k)
		}
	}
	for k, text := range map[string]string{"url": p.URL, "token": p.Token, "more": p.More, "total": p.Total} {
		if text != "" && (!pathPattern.MatchString(text) || text == "$") {
			v.errorf(path+"."+k, "%s %q has to be a path such as $.meta.next", k, text)
		}
	}
	if p.Type == "token" && given["token"] == given["token_header"] {
		v.errorf(path, "paging by token needs token: a path such as $.cursor, or token_header: the name of a header")
	}
	if slices.Contains(keys.may, "query") && !mentions(p, "{page.token}") {
		v.errorf(path, "paging of type %s has to say where {page.token} goes: query, headers or body", p.Type)
	}
	if p.Size < 0 || p.MaxPages < 0 {
		v.errorf(path, "size and max_pages cannot be negative")
	}
	if p.Size == 0 && (p.Stop == "short_page" || mentions(p, "{page.size}")) {
		v.errorf(path, "say how many records a full page has: size: 100")
	}
	known = append(known, "page.size")
	v.values(path+".query", p.Query, known)
	for k, val := range p.Headers {
		v.placeholders(path+".headers."+k, val, known)
	}
	v.tree(path+".body", p.Body, known)
}

// mentions reports whether a parameter of the next request has a placeholder.
func mentions(p *Paging, placeholder string) bool {
	var in func(x any) bool
	in = func(x any) bool {
		switch x := x.(type) {
		case string:
			return strings.Contains(x, placeholder)
		case map[string]any:
			return slices.ContainsFunc(slices.Collect(maps.Values(x)), in)
		case map[string]string:
			return slices.ContainsFunc(slices.Collect(maps.Values(x)), func(s string) bool { return in(s) })
		case map[string]Values:
			return slices.ContainsFunc(slices.Collect(maps.Values(x)), func(v Values) bool { return in(strings.Join(v, " ")) })
		case []any:
			return slices.ContainsFunc(x, in)
		}
		return false
	}
	return in(p.Query) || in(p.Headers) || in(p.Body)
}

func (v *validator) position(p *Position, path string) {
	for key, d := range map[string]Duration{"lag": p.Lag, "overlap": p.Overlap, "max_window": p.MaxWindow, "retention": p.Retention} {
		if d < 0 {
			v.errorf(path+"."+key, "%s cannot be negative", key)
		}
	}
	if p.Granularity <= 0 || p.Granularity > Duration(24*time.Hour) {
		v.errorf(path+".granularity", "granularity is %s, want 1ms to 1d", p.Granularity)
	}
	if p.MaxWindow > 0 && p.MaxWindow <= p.Overlap {
		v.errorf(path+".max_window", "max_window has to be longer than overlap, or no window would make progress")
	}
}

func (v *validator) table(t *Table, path string) {
	if !tablePattern.MatchString(t.Name) {
		v.errorf(path+".name", "table %q has to end in _CL, or be one of Azure's own that accept rows", t.Name)
	}
	seen := map[string]bool{}
	hasTime := false
	for i, col := range t.Columns {
		at := fmt.Sprintf("%s.columns[%d]", path, i)
		hasTime = hasTime || col.Name == "TimeGenerated" && col.Type == "datetime"
		if !columnPattern.MatchString(col.Name) {
			v.errorf(at+".name", "column %q has to begin with a letter and have at most 60 letters, digits and underscores", col.Name)
		}
		if slices.Contains(reserved, strings.ToLower(col.Name)) {
			v.errorf(at+".name", "column name %s is reserved by Log Analytics", col.Name)
		}
		if seen[strings.ToLower(col.Name)] {
			v.errorf(at+".name", "column %s is there twice", col.Name)
		}
		seen[strings.ToLower(col.Name)] = true
		if slices.ContainsFunc(EngineColumns[1:], func(c Column) bool { return c.Name == col.Name }) {
			v.errorf(at+".name", "column %s is added to every table already", col.Name)
		}
	}
	if !hasTime {
		v.errorf(path+".columns", "a table needs the column TimeGenerated of type datetime")
	}
	prog, err := kql.CompileTable(t.query(), t.options())
	if err != nil {
		v.errorf(v.exprPath(t, path, err), "%s", indent(err))
		return
	}
	for _, w := range prog.Warnings { // such as a function that is always empty here: no column should be
		v.errorf(path+".columns", "%s", strings.ReplaceAll(w, "\n", "\n    "))
	}
}

func (v *validator) tableBroken(t *Table) bool {
	_, err := kql.CompileTable(t.query(), t.options())
	return err != nil
}

// exprPath finds the expression that a compile error speaks of.
func (v *validator) exprPath(t *Table, path string, err error) string {
	msg := err.Error()
	for i, col := range t.Columns {
		if strings.HasPrefix(msg, "column "+col.Name+": ") {
			return fmt.Sprintf("%s.columns[%d].kql", path, i)
		}
	}
	if strings.HasPrefix(msg, "where: ") {
		return path + ".where"
	}
	return path + ".let"
}

func indent(err error) string { return strings.ReplaceAll(err.Error(), "\n", "\n    ") }
