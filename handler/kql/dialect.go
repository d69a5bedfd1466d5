package kql

import (
	"slices"
	"strings"
)

// Dialect is what a text may use. The zero value is FullDialect.
type Dialect uint8

// The dialects.
const (
	// FullDialect is everything of this package that works on one row at a time.
	FullDialect Dialect = iota
	// DCRDialect is what Azure Monitor accepts as transformKql of a data
	// collection rule.
	DCRDialect
	// StepDialect is FullDialect and what the steps of codeless connectors have
	// besides: mv-expand, which makes several rows of one, and replace.
	StepDialect
)

var dialectNames = [...]string{"full", "dcr", "step"}

func (d Dialect) String() string { return dialectNames[d] }

// ParseDialect returns the dialect called s: full, dcr or step.
func ParseDialect(s string) (Dialect, bool) {
	for i, n := range dialectNames {
		if n == s {
			return Dialect(i), true
		}
	}
	return 0, false
}

// Availability of an operator or function, as one of the values that follow or
// as StepDialect: in that dialect only.
const (
	everywhere Dialect = 10 + iota
	notInDCR
)

// available reports whether something with availability in can be used in d.
func (d Dialect) available(in Dialect) bool {
	switch in {
	case everywhere:
		return true
	case notInDCR:
		return d != DCRDialect
	}
	return d == in
}

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// dcrFunctions are the functions that a data collection rule accepts. Source:
// "Supported KQL features in Azure Monitor transformations" (January 2026), and
// after the bar what published packages use and the service takes.
var dcrFunctions = words(`
	tobool todatetime todouble toreal toguid toint tolong tostring totimespan
	parse_json parse_xml pack pack_array array_concat array_length zip
	base64_encodestring base64_decodestring countof extract extract_all indexof isempty isnotempty split
	strcat strcat_delim strlen substring tolower toupper hash_sha256
	case iif max_of min_of gettype isnull isnotnull
	abs bin floor ceiling exp exp10 exp2 isfinite isinf isnan log log10 log2 pow round sign
	binary_and binary_or binary_xor binary_not binary_shift_left binary_shift_right
	ago now datetime_add datetime_diff datetime_part dayofmonth dayofweek dayofyear hourofday getmonth getyear weekofyear
	endofday endofmonth endofweek endofyear startofday startofmonth startofweek startofyear make_datetime make_timespan
	columnifexists parse_cef_dictionary geo_location not
	` + /* seen in packages */ `
	iff todynamic`)

// dcrOperators are the operators of expressions that a data collection rule
// accepts, from the same page.
var dcrOperators = words(`== != < > <= >= + - * / % and or =~ !~ contains !contains contains_cs !contains_cs has !has has_cs !has_cs
	startswith !startswith startswith_cs !startswith_cs endswith !endswith endswith_cs !endswith_cs in !in`)

func init() { dcrOperators["matches regex"] = true }

// instead names what a data collection rule has in the place of something else;
// of what can replace nothing there, nothing.
var instead = map[string]string{
	"column_ifexists": "columnifexists", "base64_encode_tostring": "base64_encodestring", "base64_decode_tostring": "base64_decodestring",
	"coalesce": "case with isempty or isnull", "bag_pack": "pack", "pack_dictionary": "pack", "toboolean": "tobool", "todecimal": "toreal", "monthofyear": "getmonth", "datepart": "datetime_part",
	"in~": "tolower and in", "!in~": "tolower and !in", "has_any": "has and or", "has_all": "has and and", "between": ">= and <=", "!between": "< or >",
	"unixtime_seconds_todatetime": "datetime_add('second', …, datetime(1970-01-01))", "unixtime_milliseconds_todatetime": "datetime_add('millisecond', …, datetime(1970-01-01))",
	"notnull": "isnotnull", "notempty": "isnotempty", "bag_pack_columns": "pack", "totime": "totimespan",
	"project-keep": "project", "parse-where": "parse and where", "filter": "where",
}

// refuse is the error for something that d lacks.
func (d Dialect) refuse(what, name string) string {
	var b strings.Builder
	b.WriteString(what + " " + name + " is not available ")
	switch {
	case d == DCRDialect:
		b.WriteString("in a data collection rule (dialect dcr)")
		if alt := instead[name]; alt != "" {
			b.WriteString("; use " + alt)
		}
	default:
		b.WriteString("in a transformation, only in a step of a codeless connector (dialect step)")
		if name == "replace" {
			b.WriteString("; use replace_regex, which takes the text first")
		}
	}
	return b.String()
}

// functions lists the functions that d has.
func (d Dialect) functions() []string {
	return slices.DeleteFunc(functionNames(), func(name string) bool { return !d.available(functions[name].in) })
}

// operators lists the operators of pipelines that d has.
func (d Dialect) operators() []string {
	return slices.DeleteFunc(operatorNames(), func(name string) bool { return !d.available(operators[name].in) })
}

// Limits of a data collection rule (learn.microsoft.com, "Azure Monitor service limits" and
// "Supported KQL features in Azure Monitor transformations", 2026).
const (
	dcrMaxText  = 15360 // characters of a transformation
	dcrMaxParse = 10    // columns of one parse
)
