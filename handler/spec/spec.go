// Package spec is connector.yaml: its types, their defaults, strict decoding,
// validation, and the JSON Schema of them all. One file says everything about
// a connector; requests, parsing, tables, functions and documentation follow
// from it.
package spec

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// Connector is a provider's integration.
type Connector struct {
	Name          string     `yaml:"name" required:"true" doc:"Name of the connector and of its folder: lower-case letters, digits and hyphens."`
	Alias         string     `yaml:"alias" doc:"Name for places that have to begin with a letter, such as function folders and settings; needed when the name begins with a digit."`
	Title         string     `yaml:"title" required:"true" doc:"What people call it."`
	Publisher     string     `yaml:"publisher" required:"true" doc:"Who makes the product."`
	Support       Support    `yaml:"support" required:"true" doc:"Who helps."`
	Description   string     `yaml:"description" required:"true" doc:"A paragraph of Markdown for the gallery card."`
	Prerequisites []string   `yaml:"prerequisites" doc:"What to have before connecting."`
	Instructions  []string   `yaml:"instructions" doc:"What to do, step by step."`
	Settings      []Setting  `yaml:"settings" doc:"What a connection has to be told."`
	BaseURL       string     `yaml:"base_url" required:"true" doc:"Scheme and host of all requests; may contain {setting}. Requests never leave it."`
	Auth          Auth       `yaml:"auth" required:"true" doc:"How requests prove who asks."`
	Limits        Limits     `yaml:"limits" doc:"How much of the provider's rate limit to use."`
	Schedule      string     `yaml:"schedule" doc:"When to collect: NCRONTAB with six fields, in UTC. Default: every five minutes."`
	Streams       []Stream   `yaml:"streams" required:"true" doc:"The series of records that the provider offers."`
	Tables        []Table    `yaml:"tables" required:"true" doc:"The tables that rows go to."`
	Functions     []Function `yaml:"functions" doc:"Functions under the names of older tables, with the older columns, for parsers that read these and not the new tables."`
	Queries       []Query    `yaml:"queries" doc:"Sample queries for what to look at first."`
}

// Support says who helps with a connector.
type Support struct {
	Tier    string `yaml:"tier" required:"true" enum:"microsoft|partner|community" doc:"Who supports it."`
	Contact string `yaml:"contact" doc:"Address or URL."`
}

// Setting is one thing that a connection has to be told.
type Setting struct {
	Name     string `yaml:"name" required:"true" doc:"Name in {placeholders} and in sluice.yaml; upper-cased behind the connector's name it is the app setting."`
	Label    string `yaml:"label" doc:"Label in forms."`
	Help     string `yaml:"help" doc:"Where to find it, or what it means."`
	Required bool   `yaml:"required" doc:"The connection cannot work without it."`
	Secret   bool   `yaml:"secret" doc:"Given by reference only, and never shown."`
	Default  string `yaml:"default" doc:"Value when none is given."`
	Pattern  string `yaml:"pattern" doc:"Regular expression (RE2) that the value has to match."`
}

// Limits keep the connector from using up what other tools need too.
type Limits struct {
	Share       float64  `yaml:"share" doc:"Part of the provider's rate limit that may be used, 0 to 1. Default: 0.5."`
	Requests    int      `yaml:"requests" doc:"Most requests in the time of per, where the provider's answers do not tell."`
	Per         Duration `yaml:"per" doc:"The time of requests. Default: 1s."`
	Concurrency int      `yaml:"concurrency" doc:"Streams of a connection that are collected at a time, and requests of a step. Default: 1."`
}

// Stream is one series of records.
type Stream struct {
	Name     string      `yaml:"name" required:"true" doc:"Name of the stream: lower-case letters, digits and underscores."`
	Title    string      `yaml:"title" doc:"What people call it."`
	Needs    string      `yaml:"needs" doc:"Name of a setting: the stream runs only in connections that give it."`
	ForEach  *ForEach    `yaml:"for_each" doc:"Parts that are collected one by one, such as organizations: each has a position of its own."`
	Prepare  *Prepare    `yaml:"prepare" doc:"A request before the first one of each process, such as one that subscribes; only if it is needed where a rule in errors says prepare."`
	Request  Request     `yaml:"request" required:"true" doc:"The request for a window's first page; with job, the one that starts it."`
	Job      *Job        `yaml:"job" doc:"The request starts a job; its results are downloaded when it is done."`
	Paging   Paging      `yaml:"paging" doc:"How to get the next page. Default: there is only one."`
	Response Response    `yaml:"response" doc:"How responses are written. Default: JSON, or JSON values one after the other."`
	Success  Success     `yaml:"success" doc:"How a response of status 200 says that it is an error all the same. Default: it does not."`
	Errors   []ErrorRule `yaml:"errors" doc:"What responses mean where the provider has ways of its own; the first rule that fits counts."`
	Records  string      `yaml:"records" required:"true" doc:"Where the lists of records are in the response: $ for the whole body, $.items for a member, $.groups[*].items for several; $.items[*] when each value there is a record. What is no list is an error; for a step, $ may be one record, which its id or its time tells from an error, and $[*] has to be a list."`
	Empty    string      `yaml:"empty" doc:"What a response without records has, such as $.response.time; then the place of records may be missing. $: it may be nothing at all, or null."`
	Explode  Explode     `yaml:"explode" doc:"A list inside each record whose elements are records of their own."`
	Steps    []Step      `yaml:"steps" doc:"Requests for each record of the one before; the last one's records become rows."`
	Position Position    `yaml:"position" required:"true" doc:"How to ask only for what is new. Correctness hangs on these facts."`
	Table    string      `yaml:"table" required:"true" doc:"The table that the rows go to."`
}

// Request is an HTTP request with placeholders: {setting}, {window.from},
// {window.to} (with a format: {window.from:unix_ms}), {page.token}.
type Request struct {
	Method  string            `yaml:"method" enum:"GET|POST|PUT|DELETE" doc:"Default: GET."`
	Path    string            `yaml:"path" doc:"Path below base_url, escaped as in an address; parameters go to query. It or url is needed."`
	URL     string            `yaml:"url" doc:"steps, job: an address that a record has, such as {item.contentUri}, or {job.url}. It may be relative, and never leaves base_url."`
	Query   map[string]Values `yaml:"query" doc:"Query parameters; one with a list is sent once for each value."`
	Headers map[string]string `yaml:"headers" doc:"Headers."`
	Body    any               `yaml:"body" doc:"The body: a YAML tree, or a text."`
	Encode  string            `yaml:"encode" enum:"json|form|text" doc:"How the body is sent: json; form: its keys as the fields of a form; text: as it is. Default: json."`
}

// Values are one value or several.
type Values []string

// Response says how responses are written.
type Response struct {
	Format      string `yaml:"format" enum:"json|ndjson|csv|xml|lines|parquet" doc:"json; ndjson: JSON values one after the other, or none; csv: a row is an object of texts; xml: an element is an object, with @name for attributes and #text for the text beside them; lines: a line is an object with the member line; parquet: a row is an object. Default: json."`
	Compression string `yaml:"compression" enum:"gzip|deflate|zip" doc:"Packing that no header tells of; a zip holds one file."`
	Delimiter   string `yaml:"delimiter" doc:"csv: the character between values. Default: a comma."`
	NoHeader    bool   `yaml:"no_header" doc:"csv: the first row is one of values; they are called Column1, Column2 …"`
	Columns     string `yaml:"columns" doc:"Where the response has the names of columns, such as $.meta[*].name: its records are lists of values."`
	Unwrap      string `yaml:"unwrap" enum:"json|base64" doc:"Each record is a text; json: that holds JSON; base64: that holds JSON in base64."`
}

// Success is where a response says whether it is one.
type Success struct {
	At     string `yaml:"at" doc:"Where the status is in the response, such as $.status."`
	Is     string `yaml:"is" doc:"Its value when all is well; any other, or none, is an error."`
	Absent string `yaml:"absent" doc:"What a response has only when it is an error, such as $.errors of GraphQL."`
}

// ErrorRule says what a response means.
type ErrorRule struct {
	Status int    `yaml:"status" doc:"Status code. Default: any that is no success, and what success says is none. 200: also lines that end with a text instead of a record; those before it are asked for again."`
	Body   string `yaml:"body" doc:"A text that the body contains. Default: any."`
	Do     string `yaml:"do" required:"true" enum:"retry|throttled|new_token|prepare|ignore|fail" doc:"retry: ask again soon; prepare: what prepare makes is not there, so that it is asked for only then; throttled: wait as long as the response says; new_token: ask for a new token, once, then fail as wrong credentials; ignore: there are no records; fail: a person has to look."`
}

// Paging says how to get from one page to the next.
type Paging struct {
	Type        string            `yaml:"type" enum:"none|link_header|next_url|token|offset|page|last_record|iterator" doc:"none; link_header: the Link header with rel=next (RFC 8288); next_url: an address in the body; token: a token in the body or in a header; offset: how many records there were so far; page: the page's number; last_record: a value of the page's last record; iterator: the provider itself remembers what it has sent to the reader {page.reader}; {page.token} is first, or next."`
	URL         string            `yaml:"url" doc:"next_url: where the address is in the response, such as $.next. It may be relative; it never leaves base_url."`
	URLHeader   string            `yaml:"url_header" doc:"next_url: the response header that has the address."`
	Rel         string            `yaml:"rel" doc:"link_header: the relation that leads on. Default: next."`
	First       string            `yaml:"first" doc:"iterator: {page.token} of a reader's first request, such as {window.from:unix}. In doubt, after an error, a new reader begins."`
	Next        string            `yaml:"next" doc:"iterator: {page.token} that asks for what follows."`
	Token       string            `yaml:"token" doc:"token: where the token is in the response, such as $.cursor; last_record: where the value is in the record, such as $.id."`
	TokenHeader string            `yaml:"token_header" doc:"token: the response header that has the token."`
	More        string            `yaml:"more" doc:"Where the response says whether there is more, such as $.has_more."`
	Total       string            `yaml:"total" doc:"Where the response says how many records there are in all; page: how many pages. A listing that ends before has to be asked for again."`
	Size        int               `yaml:"size" doc:"How many records a full page has: {page.size} in parameters, and for stop: short_page."`
	ZeroBased   bool              `yaml:"zero_based" doc:"page: the first page is 0, not 1."`
	Query       map[string]Values `yaml:"query" doc:"Query parameters of the next request, with {page.token}. offset, page: of the first one too."`
	Headers     map[string]string `yaml:"headers" doc:"Headers of the next request, with {page.token}."`
	Body        any               `yaml:"body" doc:"Body of the next request, with {page.token}; it replaces the first one's, but for keys such as $.variables.after, which set one place in that. offset, page: of the first one too."`
	Only        bool              `yaml:"only" doc:"The next request has the query parameters of paging only, not those of request."`
	Stop        string            `yaml:"stop" enum:"empty_page|short_page" doc:"empty_page: a page without records is the last, whatever next one it names; short_page: one with fewer than size. When more or total says that there is more, it is not believed."`
	MaxPages    int               `yaml:"max_pages" doc:"How many pages the provider lists of one window; a window that has more is listed in parts."`
}

// ForEach names the parts that a stream is collected in. A part is {part} in the
// requests, and part of the stream's name: activities.login.
type ForEach struct {
	Values  []string `yaml:"values" doc:"The parts."`
	Setting string   `yaml:"setting" doc:"The name of a setting that lists the parts, with commas between them; instead of values, or to choose some of them."`
}

// Explode says which list inside a record holds the records. Each is the outer
// record with one element, and its number, in the list's place.
type Explode struct {
	At    string `yaml:"at" required:"true" doc:"The member that is the list, such as events or found.events."`
	Index string `yaml:"index" doc:"A member to add: the element's number, from 0."`
}

// Step is a request for each record of the one before: {item} is that record, or
// {item.id} a member of it, which has to be there. A record for which nothing can be
// had is set aside, and the others go on.
type Step struct {
	Request  Request     `yaml:"request" required:"true" doc:"The request."`
	Batch    int         `yaml:"batch" doc:"So many records at a time, which are {items}, a list. Default: one at a time."`
	Key      string      `yaml:"key" doc:"batch: the path in a record to the one of {items} that it is about, such as $.id. One that no record is about goes to quarantine. Default: nobody looks whether one was left out."`
	Once     bool        `yaml:"once" doc:"The last step: a record that comes again is not looked up again, since what it leads to never changes."`
	Join     string      `yaml:"join" doc:"What was looked up becomes a member of this name in the record before: the rows, or the items of the step that follows, are made of both. Default: of what was looked up alone."`
	Auth     *Auth       `yaml:"auth" doc:"Credentials of the step's own. Default: those of the connector. They go to base_url only."`
	Origins  []string    `yaml:"origins" doc:"Hosts besides base_url's that an address may lead to, such as *.amazonaws.com. Such an address is a permission in itself: no credentials are sent there."`
	Paging   Paging      `yaml:"paging" doc:"How to get the next page. Default: there is only one."`
	Response Response    `yaml:"response" doc:"How responses are written. Default: JSON."`
	Success  Success     `yaml:"success" doc:"How a response of status 200 says that it is an error all the same."`
	Errors   []ErrorRule `yaml:"errors" doc:"What responses mean where the provider has ways of its own."`
	Records  string      `yaml:"records" required:"true" doc:"Where the records are in the response."`
	Explode  Explode     `yaml:"explode" doc:"A list inside each record whose elements are records of their own."`
}

// Prepare is a request that has to have been made.
type Prepare struct {
	Request Request     `yaml:"request" required:"true" doc:"The request."`
	Errors  []ErrorRule `yaml:"errors" doc:"What responses mean; ignore: it was made before, and all is well."`
}

// Job is work at the provider that is started, waited for, and whose results are
// downloaded. A job that outlives the run is found again by the next.
type Job struct {
	ID       string   `yaml:"id" required:"true" doc:"Where the answer to request has the job's name: {job} in what follows."`
	Status   Request  `yaml:"status" required:"true" doc:"Asks how the job is."`
	At       string   `yaml:"at" doc:"Where the answer has the status, such as $.status. Without it, 202 means that the job is running."`
	Done     []string `yaml:"done" doc:"The statuses of a job that is done."`
	Failed   []string `yaml:"failed" doc:"The statuses of a job that will not be done; it is started anew."`
	Every    Duration `yaml:"every" doc:"Time between two questions. Default: 15s."`
	Timeout  Duration `yaml:"timeout" doc:"How long a job may take; then it is given up and started anew. Default: 6h."`
	Lost     []string `yaml:"lost" doc:"Where the status of a job that is done has lists of parts that failed, such as $.chunks_failed; if there are any it is started anew."`
	Parts    string   `yaml:"parts" doc:"Where the status has the list of parts to download: {part} is an element, or its number from 0 when it is no plain value. Default: there is one."`
	Download Request  `yaml:"download" required:"true" doc:"Asks for a part."`
	Delete   *Request `yaml:"delete" doc:"Tidies up at the provider afterwards, and when a job is given up."`
}

// Position says how a stream is asked for what is new.
type Position struct {
	Type        string   `yaml:"type" required:"true" enum:"window|cursor|snapshot" doc:"window: ranges of time, one after the other; cursor: the page token outlives the run, and the next one goes on with it; snapshot: the full list, and rows for what is new or has changed."`
	Time        string   `yaml:"time" required:"true" doc:"When a record happened: a KQL expression over the record. snapshot: now() when it does not say."`
	ID          string   `yaml:"id" doc:"What makes a record unique: a KQL expression over the record. Where it gives nothing, or a part of what it is made of is missing, the record is known by its hash, which is the default. snapshot: what is the same when it changes."`
	Order       string   `yaml:"order" enum:"ascending|descending|none" doc:"window: in which order pages list records by time."`
	Granularity Duration `yaml:"granularity" doc:"window: resolution of the provider's time filter: 1ms, 1s, 1d. What requests say of a window tells at least that apart."`
	Bounds      string   `yaml:"bounds" enum:"[)|[]|()|(]" doc:"window: which ends of a window the provider includes: [) is from inclusive, to exclusive."`
	Lag         Duration `yaml:"lag" doc:"window: how long after it happened a record may still be missing from the listing; windows end that long before now."`
	Overlap     Duration `yaml:"overlap" doc:"window: how far each window reaches back for records that came later still. Known ones are skipped by their id. cursor: how far a listing reaches back when the provider no longer knows the cursor."`
	MaxWindow   Duration `yaml:"max_window" doc:"window: longest range that one listing may cover. Default: any."`
	Retention   Duration `yaml:"retention" doc:"How long the provider keeps records. window: needed."`
	Every       Duration `yaml:"every" doc:"snapshot: time between two. Default: 1d."`
}

// Table is a table of the workspace and how its rows come from records.
type Table struct {
	Name        string   `yaml:"name" required:"true" doc:"Name of the table; a custom one ends in _CL."`
	Description string   `yaml:"description" doc:"What is in it."`
	ASIM        string   `yaml:"asim" doc:"The ASIM schema that it serves."`
	Where       string   `yaml:"where" doc:"KQL condition; records that do not meet it are dropped, and counted."`
	Let         Lets     `yaml:"let" doc:"Named KQL expressions for use in the columns."`
	Columns     []Column `yaml:"columns" required:"true" doc:"The columns, each a KQL expression over the record."`
}

// Column is one column of a table.
type Column struct {
	Name        string `yaml:"name" required:"true" doc:"Name of the column."`
	Type        string `yaml:"type" required:"true" enum:"string|int|long|real|bool|datetime|dynamic|guid" doc:"Type of the column."`
	KQL         string `yaml:"kql" doc:"The value: a KQL expression over the record. None: the table has the column, because others fill it or rules name it, and no record of ours has anything for it."`
	Description string `yaml:"description" doc:"What it tells."`
}

// Function is a saved function under the name of an older table. Where there is a table
// of that name the function would hide it.
type Function struct {
	Name        string `yaml:"name" required:"true" doc:"Name of the older table; it ends in _CL."`
	Description string `yaml:"description" doc:"Who reads it."`
	KQL         string `yaml:"kql" required:"true" doc:"The query that gives the older columns."`
}

// Query is a sample query.
type Query struct {
	Title string `yaml:"title" required:"true" doc:"What it answers."`
	KQL   string `yaml:"kql" required:"true" doc:"The query."`
}

// Let is a named KQL expression.
type Let struct{ Name, KQL string }

// Lets keeps the order in which a file has them.
type Lets []Let

// Duration is a time.Duration that is also written in days: 90d.
type Duration time.Duration

// String returns the duration as it is written in a spec.
func (d Duration) String() string {
	day := Duration(24 * time.Hour)
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := time.Duration(d).String()
	for _, rest := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, rest) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// ParseDuration reads 60s, 5m, 6h, 90d.
func ParseDuration(s string) (Duration, error) {
	unit := time.Duration(1)
	text := s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		text, unit = days+"h", 24
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration: write 60s, 5m, 6h or 90d", s)
	case d.Abs() > math.MaxInt64/unit:
		return 0, fmt.Errorf("%q is longer than 292 years", s)
	}
	return Duration(d * unit), nil
}

// Table returns the table called name, or nil.
func (c *Connector) Table(name string) *Table {
	for i := range c.Tables {
		if c.Tables[i].Name == name {
			return &c.Tables[i]
		}
	}
	return nil
}

// Stream returns the stream called name, or nil.
func (c *Connector) Stream(name string) *Stream {
	for i := range c.Streams {
		if c.Streams[i].Name == name {
			return &c.Streams[i]
		}
	}
	return nil
}

// Setting returns the setting called name, or nil.
func (c *Connector) Setting(name string) *Setting {
	for i := range c.Settings {
		if c.Settings[i].Name == name {
			return &c.Settings[i]
		}
	}
	return nil
}

// FunctionName is the name of the connector's function, and of its folder. It has
// no hyphens: app settings, whose names cannot have them, switch functions off.
func (c *Connector) FunctionName() string {
	return strings.ReplaceAll(cmp.Or(c.Alias, c.Name), "-", "_")
}

// EnvName is the app setting that holds a setting: OKTA_API_TOKEN.
func (c *Connector) EnvName(setting string) string {
	return strings.ToUpper(c.FunctionName() + "_" + setting)
}

// ParameterName is the parameter of deployment templates that holds a setting:
// oktaApiToken.
func (c *Connector) ParameterName(setting string) string {
	return camel(c.FunctionName() + "_" + setting)
}

// camel joins words: okta_api_token becomes oktaApiToken.
func camel(name string) string {
	var b strings.Builder
	for i, w := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' }) {
		if i > 0 {
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		b.WriteString(w)
	}
	return b.String()
}

// AllColumns returns the table's columns and those that every table has.
func (t *Table) AllColumns() []Column {
	cols := []Column{ofEvery(sentinel.Columns[0])}
	for _, c := range t.Columns {
		if c.Name != "TimeGenerated" {
			cols = append(cols, c)
		}
	}
	for _, c := range sentinel.Columns[1:] {
		cols = append(cols, ofEvery(c))
	}
	return cols
}

func ofEvery(c sentinel.Column) Column {
	return Column{Name: c.Name, Type: c.Type, Description: c.Description}
}
