package kql

import (
	"regexp"
	"strings"
	"testing"
)

func TestDCRDialectHasTheDocumentedFunctions(t *testing.T) {
	for name := range dcrFunctions {
		f, ok := functions[name]
		if !ok {
			t.Errorf("%s is documented and not here", name)
			continue
		}
		if _, err := Compile("source | project "+calls(f)[0], Options{Source: everyType, Dialect: DCRDialect}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDCRDialectNamesWhatItLacks(t *testing.T) {
	parse := "source | parse s with *"
	for _, c := range "abcdefghijk" {
		parse += ` "` + string(c) + `=" c` + string(c)
	}
	for query, want := range map[string]string{
		"source | project x = coalesce(s, 'a')":                    "1:22: the function coalesce is not available in a data collection rule (dialect dcr); use case with isempty or isnull",
		"source | project x = column_ifexists('s', '')":            "use columnifexists",
		"source | project x = unixtime_milliseconds_todatetime(l)": "use datetime_add('millisecond'",
		"source\n| where s in~ ('a')":                              "2:11: the operator in~ is not available in a data collection rule (dialect dcr); use tolower and in",
		"source | where s has_any ('a')":                           "the operator has_any is not available",
		"source | where l between (1 .. 2)":                        "use >= and <=",
		"source | where s hasprefix 'a'":                           "the operator hasprefix is not available",
		"source | project x = dynamic({'a': 1})":                   "use parse_json",
		"source | project-keep s":                                  "the operator project-keep is not available in a data collection rule (dialect dcr); use project",
		"source | parse-kv s as (a:string)":                        "the operator parse-kv is not available",
		"source | mv-expand d":                                     "the operator mv-expand is not available",
		"range x from 1 to 2 step 1":                               "the operator range is not available",
		"source | summarize count()":                               "the operator summarize is not available",
		"source | project x = replace('a', 'b', s)":                "the function replace is not available in a data collection rule",
		parse: "at most 10 columns, not 11",
		"let f = (T:(x:long)) { T }; f((range x from 1 to 2 step 1))": "functions of a data collection rule take scalars only",
		"let T = source | where s == 'a'; source | where s in (T)":    "source can only be read by the main pipeline",
	} {
		_, err := Compile(query, Options{Source: everyType, Dialect: DCRDialect})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got: %v\nwant: %s", query, err, want)
		}
	}
	if _, err := Compile("source | project x = replace('a', 'b', s)", Options{Source: everyType}); err == nil || !strings.Contains(err.Error(), "use replace_regex, which takes the text first") {
		t.Error(err)
	}
	if _, err := Compile("source | project x = replace('a', 'b', s) | mv-expand y = parse_json(x)", Options{Source: everyType, Dialect: StepDialect}); err != nil {
		t.Error(err)
	}
}

// TestWhatMessagesProposeIsAccepted takes each word of a message that is a
// function or an operator for a proposal.
func TestWhatMessagesProposeIsAccepted(t *testing.T) {
	words := regexp.MustCompile(`[a-z!][a-z0-9_~!-]*`)
	for _, d := range []Dialect{FullDialect, DCRDialect, StepDialect} {
		check := func(asked, message string) {
			for _, w := range words.FindAllString(message, -1) {
				f, op := functions[w], operators[w]
				if w != asked && (f != nil && !d.available(f.in) || op.read != nil && !d.available(op.in)) {
					t.Errorf("%s: of %s, %s is proposed: %s", d, asked, w, message)
				}
			}
		}
		for name := range functions {
			_, err := Compile("source | project x = "+name+"x(s)", Options{Source: everyType, Dialect: d})
			check("", err.Error()[strings.Index(err.Error(), name)+len(name)+1:])
			check(name, d.refuse("the function", name))
		}
		for name := range operators {
			_, err := Compile("source | "+name+"x s", Options{Source: everyType, Dialect: d})
			check("", err.Error()[strings.Index(err.Error(), name)+len(name)+1:])
			check(name, d.refuse("the operator", name))
		}
	}
	_, err := Compile(`source | where s < "a"`, Options{Source: everyType, Dialect: DCRDialect})
	if err == nil || strings.Contains(err.Error(), "strcmp") {
		t.Error(err)
	}
}

func TestLongTextsAndEmptyFunctionsAreWarnedOf(t *testing.T) {
	p, err := Compile("source | project x = geo_location(s) // "+strings.Repeat("x", dcrMaxText), Options{Source: everyType, Dialect: DCRDialect})
	if err != nil || len(p.Warnings) != 2 || !strings.Contains(p.Warnings[0], "is documented to take 15360") || !strings.Contains(p.Warnings[1], "geo_location is an empty object") {
		t.Errorf("%v, %q", err, p.Warnings)
	}
}

func TestOdditiesNameTheColumn(t *testing.T) {
	p, err := Compile("source | where tolong(s) != 5 | project a = toint(s), b = l / i, c = tostring(s), e = iff(isempty(s), 1, toint(s)), f = datetime_add('day', l, t)", Options{Source: everyType})
	if err != nil {
		t.Fatal(err)
	}
	m := p.Runner()
	for _, rec := range []string{`{"s":"x","l":1,"i":0,"t":"2024-01-01"}`, `{"s":"7","l":99999999,"i":1,"t":"2024-01-01"}`, `{}`} {
		if _, err := m.Each([]byte(rec), func([]byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	got := m.Oddities()
	if len(got) != 4 || got["a"] != 1 || got["b"] != 1 || got["e"] != 1 || got["f"] != 1 {
		t.Errorf("%v", got)
	}
	if again := m.Oddities(); len(again) != 0 {
		t.Errorf("counted on: %v", again)
	}
}

// TestRecordsDoNotDecideHowMuchMemoryThereHasToBe gives functions what would
// make gigabytes of a few bytes.
func TestRecordsDoNotDecideHowMuchMemoryThereHasToBe(t *testing.T) {
	long := strings.Repeat("a", 100_000)
	record := `{"s":"` + long + `","l":1000000,"d":[` + strings.Repeat(`"x",`, 50_000) + `"x"],"nested":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `}`
	for _, x := range []string{"strrep(s, 1000)", "repeat(s, l)", "repeat(s, 9223372036854775807)", "replace_string(s, 'a', s)", "replace_strings(s, pack_array('a'), pack_array(s))",
		"strcat_array(d, s)", "treepath(nested)", "set_union(d, d)", "array_sort_asc(d)", "range(0, 9223372036854775807)", "dynamic_to_json(nested)", "array_length(split(s, ''))"} {
		p, err := Compile("source | project x = "+x, Options{Source: []Column{{"s", String}, {"l", Long}, {"d", Dynamic}, {"nested", Dynamic}}})
		if err != nil {
			t.Fatal(err)
		}
		m := p.Runner()
		if _, err := m.Each([]byte(record), func([]byte) error { return nil }); err != nil {
			t.Error(err)
		}
		if n := cap(m.buf); n > 8*maxMade {
			t.Errorf("%s made %d bytes", x, n)
		}
	}
}
