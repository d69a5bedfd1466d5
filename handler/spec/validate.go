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

// ownNames cannot be those of settings: placeholders begin with them.
var ownNames = []string{"window", "page", "item", "items", "part", "job", "sign"}

// maxColumns is the most that a table can have (learn.microsoft.com, "Azure Monitor
// service limits", 2026).
const maxColumns = 500

// Reserved column names of Log Analytics (learn.microsoft.com, "Logs Ingestion
// API": reserved column names). The page has id, uniqueid and title too, but tables
// of Microsoft's own solutions have columns of these names, such as SlackAuditV2_CL.
var reserved = []string{"_resourceid", "_subscriptionid", "tenantid", "type"}

func (v *validator) connector() {
	c := v.c
	if !namePattern.MatchString(c.Name) {
		v.errorf("name", "name %q has to be lower-case letters, digits and hyphens", c.Name)
	}
	if !aliasPattern.MatchString(c.FunctionName()) {
		v.errorf("name", "name %q begins with a digit: give an alias that begins with a letter", c.Name)
	}
	if c.FunctionName() == "doctor" || c.FunctionName() == "health" {
		v.errorf("name", "the name %s is taken by Sluice's own", c.FunctionName())
	}
	if n := len(strings.Fields(c.Schedule)); n != 6 && n != 5 {
		v.errorf("schedule", "schedule %q has %d fields, want six: second minute hour day month weekday", c.Schedule, n)
	}
	if c.Limits.Share < 0 || c.Limits.Share > 1 {
		v.errorf("limits.share", "share is %v, want 0 to 1", c.Limits.Share)
	}
	if c.Limits.Requests < 0 || c.Limits.Per < 0 || c.Limits.Concurrency < 0 {
		v.errorf("limits", "requests, per and concurrency cannot be negative")
	}
	seen := map[string]bool{}
	for i, s := range c.Settings {
		path := fmt.Sprintf("settings[%d]", i)
		if !snakePattern.MatchString(s.Name) || slices.Contains(ownNames, s.Name) {
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
	v.auth(&c.Auth, "auth")
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

// placeholders checks the {…} in a text: settings, and those of extra.
func (v *validator) placeholders(path, text string, extra []string) {
	known := slices.Clone(extra)
	for _, s := range v.c.Settings {
		known = append(known, s.Name)
	}
	for _, m := range Placeholder.FindAllStringSubmatch(text, -1) {
		if first, _, _ := strings.Cut(m[1], "."); !slices.Contains(known, m[1]) && !(first == "item" && slices.Contains(known, "item")) {
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

func (v *validator) tableNames() []string {
	var names []string
	for _, t := range v.c.Tables {
		names = append(names, t.Name)
	}
	return names
}

func (v *validator) table(t *Table, path string) {
	if !tablePattern.MatchString(t.Name) {
		v.errorf(path+".name", "table %q has to end in _CL, or be one of Azure's own that accept rows", t.Name)
	}
	for i, old := range t.Succeeds {
		if !strings.HasSuffix(old, "_CL") || slices.Contains(v.tableNames(), old) {
			v.errorf(fmt.Sprintf("%s.succeeds[%d]", path, i), "%q is no older table: it has to end in _CL, and be none of this connector", old)
		}
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
	if n := len(t.AllColumns()); n > maxColumns {
		v.errorf(path+".columns", "the table has %d columns with the engine's, at most %d can be; what has no column is in AdditionalFields", n, maxColumns)
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
