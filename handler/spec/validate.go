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
	"github.com/sluice-connectors/sluice/handler/schedule"
	"github.com/sluice-connectors/sluice/handler/sentinel"
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
	c.setDefaults(places)
	v := &validator{c: c, places: places}
	v.connector()
	return c, errors.Join(v.errs...)
}

func (c *Connector) setDefaults(places *Places) {
	if c.Schedule == "" {
		c.Schedule = DefaultSchedule
	}
	if c.Limits.Share == 0 && !places.Has("limits.share") {
		c.Limits.Share = 0.5
	}
	if c.Limits.Per == 0 {
		c.Limits.Per = Duration(time.Second)
	}
	c.Auth.setDefaults()
	for i := range c.Streams {
		c.Streams[i].setDefaults()
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
	originPattern = regexp.MustCompile(`^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	aliasPattern  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	snakePattern  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	tablePattern  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,58}_CL$|^(ASim|AWS|GCP)[A-Za-z0-9]+$`)
	// The documentation says 45 characters; Microsoft's own GitHubAuditLogsV2_CL has 53.
	columnPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,59}$`)
)

// Placeholder matches {name} and {name:format}; its groups are name and format.
var Placeholder = regexp.MustCompile(`\{([a-z][a-zA-Z0-9_.@-]*)(?::([^{}]+))?\}`)

// Expand puts what value gives for their names and formats in the place of the
// placeholders in a text.
func Expand(text string, value func(name, format string) string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return Placeholder.ReplaceAllStringFunc(text, func(m string) string {
		g := Placeholder.FindStringSubmatch(m)
		return value(g[1], g[2])
	})
}

// ownNames cannot be those of settings: placeholders begin with them.
var ownNames = []string{"window", "page", "item", "items", "part", "job", "sign"}

// Reserved column names of Log Analytics (learn.microsoft.com, "Logs Ingestion
// API": reserved column names). The page has id, uniqueid and title too, but tables
// of Microsoft's own solutions have columns of these names, such as SlackAuditV2_CL.
var reserved = []string{"_resourceid", "_subscriptionid", "tenantid", "type"}

// ownSettings cannot be those of a connector: these app settings say how a connection
// runs, OKTA_SCHEDULE for one.
var ownSettings = []string{"base_url", "private_network", "schedule", "start", "rules"}

func (v *validator) connector() {
	c := v.c
	v.name()
	if _, err := schedule.Parse(c.Schedule); err != nil {
		v.errorf("schedule", "%v", err)
	}
	if c.Limits.Share > 1 || c.Limits.Share == 0 {
		v.errorf("limits.share", "share is %v, want more than 0, up to 1", c.Limits.Share)
	}
	v.settings()
	v.baseURL()
	v.auth(&c.Auth, "auth")
	if len(c.Streams) == 0 {
		v.errorf("streams", "there is no stream: a connector without one collects nothing")
	}
	streams, tables := map[string]bool{}, map[string]bool{}
	for i := range c.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		v.once(streams, c.Streams[i].Name, path+".name", "stream")
		v.stream(&c.Streams[i], path)
	}
	for i := range c.Tables {
		path := fmt.Sprintf("tables[%d]", i)
		v.once(tables, c.Tables[i].Name, path+".name", "table")
		v.table(&c.Tables[i], path)
	}
	v.functions()
}

// once checks that a name is not there before; Azure does not tell cases apart.
func (v *validator) once(seen map[string]bool, name, path, what string) {
	if seen[strings.ToLower(name)] {
		v.errorf(path, "%s %s is there twice", what, name)
	}
	seen[strings.ToLower(name)] = true
}

// Reserved reports whether a function of this name is Sluice's own.
func Reserved(function string) bool {
	return function == "doctor" || function == "health" || function == "sluice"
}

func (v *validator) name() {
	c := v.c
	switch fn := c.FunctionName(); {
	case !namePattern.MatchString(c.Name):
		v.errorf("name", "name %q has to be lower-case letters, digits and hyphens", c.Name)
	case c.Alias != "" && !aliasPattern.MatchString(fn):
		v.errorf("alias", "alias %q has to begin with a letter, and have at most 63 lower-case letters, digits and underscores", c.Alias)
	case !aliasPattern.MatchString(fn):
		v.errorf("name", "name %q begins with a digit: give an alias that begins with a letter", c.Name)
	case Reserved(fn):
		v.errorf("name", "the name %s is taken by Sluice's own", fn)
	}
}

func (v *validator) settings() {
	names, parameters := map[string]bool{}, map[string]string{}
	for i, s := range v.c.Settings {
		path := fmt.Sprintf("settings[%d]", i)
		switch {
		case slices.Contains(ownNames, s.Name):
			v.errorf(path+".name", "setting %s has the name of a placeholder of Sluice's own", s.Name)
		case slices.Contains(ownSettings, s.Name):
			v.errorf(path+".name", "setting %s has the name of a setting of Sluice's own: the app setting %s", s.Name, v.c.EnvName(s.Name))
		case !snakePattern.MatchString(s.Name):
			v.errorf(path+".name", "setting %q has to be lower-case letters, digits and underscores", s.Name)
		default:
			v.once(names, s.Name, path+".name", "setting")
			param := strings.ToLower(v.c.ParameterName(s.Name))
			if other := parameters[param]; other != "" && other != s.Name {
				v.errorf(path+".name", "the settings %s and %s are one parameter in templates: %s", other, s.Name, param)
			}
			parameters[param] = s.Name
		}
		if s.Secret && s.Default != "" {
			v.errorf(path+".default", "a secret has no default")
		}
		re, err := regexp.Compile(s.Pattern)
		if err != nil {
			v.errorf(path+".pattern", "pattern %q is no regular expression (RE2): %s", s.Pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		} else if s.Default != "" && !re.MatchString(s.Default) {
			v.errorf(path+".default", "the default %q does not match the pattern %s", s.Default, s.Pattern)
		}
	}
}

func (v *validator) baseURL() {
	text := v.c.BaseURL
	v.placeholders("base_url", text, nil)
	v.closed("base_url", text)
	for _, m := range Placeholder.FindAllStringSubmatch(text, -1) {
		if s := v.c.Setting(m[1]); s != nil && !s.Required && s.Default == "" {
			v.errorf("base_url", "without the setting %s there is no address: give it required: true, or a default", s.Name)
		}
	}
	v.address("base_url", text)
	if u, err := url.Parse(Placeholder.ReplaceAllString(text, "x")); err == nil && (u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil) {
		v.errorf("base_url", "base_url is a scheme, a host and perhaps a path")
	}
}

// address checks an address whose host is known before it is called.
func (v *validator) address(path, text string) {
	u, err := url.Parse(Placeholder.ReplaceAllString(text, "x"))
	switch {
	case err != nil:
		v.errorf(path, "%q is no address: %v", text, errors.Unwrap(err))
	case u.Scheme != "https":
		v.errorf(path, "%s has to begin with https://", name(path))
	case u.Hostname() == "":
		v.errorf(path, "%q has no host", text)
	}
}

// keySet is the keys that one type of a thing needs, and those that it may have.
type keySet struct{ needs, may []string }

// keys checks which keys are given of a thing, such as paging of type token.
func (v *validator) keys(path, thing string, given map[string]bool, set keySet) {
	for _, k := range slices.Sorted(maps.Keys(given)) {
		needed := slices.Contains(set.needs, k)
		switch {
		case given[k] && !needed && !slices.Contains(set.may, k):
			v.errorf(path+"."+k, "%s has no %s", thing, k)
		case !given[k] && needed:
			v.errorf(path, "%s needs %s", thing, k)
		}
	}
}

func (v *validator) tableNames() []string {
	var names []string
	for _, t := range v.c.Tables {
		names = append(names, t.Name)
	}
	return names
}

func (v *validator) functions() {
	for i, f := range v.c.Functions {
		if !strings.HasSuffix(f.Name, "_CL") || slices.ContainsFunc(v.c.Tables, func(t Table) bool { return strings.EqualFold(t.Name, f.Name) }) {
			v.errorf(fmt.Sprintf("functions[%d].name", i), "%q is no older table: it has to end in _CL, and be none of this connector", f.Name)
		}
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
		if col.Name == "TimeGenerated" && col.KQL == "" {
			v.errorf(at+".name", "TimeGenerated needs kql: when the record happened")
		}
		v.once(seen, col.Name, at+".name", "column")
		if slices.ContainsFunc(sentinel.Columns[1:], func(c sentinel.Column) bool { return strings.EqualFold(c.Name, col.Name) }) {
			v.errorf(at+".name", "column %s is added to every table already", col.Name)
		}
	}
	if n := len(t.AllColumns()); n > sentinel.MaxColumns {
		v.errorf(path+".columns", "the table has %d columns with the engine's, at most %d can be; what has no column is in AdditionalFields", n, sentinel.MaxColumns)
	}
	if !hasTime {
		v.errorf(path+".columns", "a table needs the column TimeGenerated of type datetime")
	}
	if v.bracesOf(t, path) {
		return
	}
	prog, err := v.compile(t)
	if err != nil {
		v.errorf(v.exprPath(t, path, err), "%s", indent(err))
		return
	}
	for _, w := range prog.Warnings { // such as a function that is always empty here: no column should be
		v.errorf(path+".columns", "%s", strings.ReplaceAll(w, "\n", "\n    "))
	}
}

func (v *validator) tableBroken(t *Table) bool {
	_, err := v.compile(t)
	return err != nil
}

func (v *validator) compile(t *Table) (*kql.Program, error) {
	opt := t.options()
	opt.Constants = v.c.Constants("", "", nil)
	return kql.CompileTable(t.query(), opt)
}

// bracesOf reports whether an expression of a table has a placeholder in it.
func (v *validator) bracesOf(t *Table, path string) bool {
	found := v.braces(path+".where", t.Where)
	for _, l := range t.Let {
		found = v.braces(path+".let."+l.Name, l.KQL) || found
	}
	for i, col := range t.Columns {
		found = v.braces(fmt.Sprintf("%s.columns[%d].kql", path, i), col.KQL) || found
	}
	return found
}

// braces refuses what would be a placeholder in a request: in KQL it is a text like
// any other, and rows would have it as it stands.
func (v *validator) braces(path, text string) bool {
	found := false
	for _, m := range Placeholder.FindAllStringSubmatch(text, -1) {
		word, _, _ := strings.Cut(m[1], ".")
		var write string
		switch set := v.c.Setting(m[1]); {
		case set != nil && set.Secret:
			write = "it is a secret, which no row may have"
		case set != nil:
			write = fmt.Sprintf("write setting(%q)", m[1])
		case m[1] == "part", m[1] == "connection":
			write = "write " + m[1] + "()"
		case slices.Contains(ownNames, word):
			write = "a row is made of its record, and of setting(\"…\"), part() and connection()"
		default:
			continue
		}
		v.errorf(path, "%s is no placeholder in KQL: %s", m[0], write)
		found = true
	}
	return found
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
