package kql

import (
	"encoding/json"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/kql/kusto"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// pipelines are texts over everyType on which both have to agree, good and bad.
var pipelines = strings.Split(`source
source | where s == 'a' and b or not(l > 1) | extend x = l + 1
source | where s
source | extend s1 = 1, s2 = s1
source | extend x = 1 | extend x = tostring(x)
source | extend strlen(s), l + 1, tostring(d.x), tolower(s), d.x
source | project d.x, d['y'], d[0], d.x[0].z, d[l], d['odd name'].x
source | project d.x, d.x
source | project s, s
source | project s = 1, s = 2
source | project bin(t, 1d), startofday(t), tolong(d.a.b), toint(l + 1)
source | project 1, 'a', l
source | project -l, (s), ['odd'] = s
source | project parse_json(s).a, not(b), iff(b, 1, 2), max_of(1, 2), tostring(d[0]), todynamic(s)['k']
source | project tostring(tolower(s)), tostring(strlen(s)), gettype(s), treepath(d), repeat(s, 2), make_datetime(t)
source | extend (p, q) = array_sort_asc(d, d)
source | extend array_sort_asc(d, d)
source | project array_sort_asc(d, d, d)
source | project x = array_sort_desc(d, parse_json(s)), y = 1
source | extend (p, q, r2) = array_sort_asc(d, d)
source | project d_sorted = 1, array_sort_asc(d, d)
source | extend x = array_sort_asc(d, d)
source | project-away zz
source | project-away x*
source | project-away s, d*
source | project-keep l, s
source | project-rename a = s, e = l
source | project-rename a = s, b = l
source | parse s with 'a' x:long 'b' y
source | parse kind=regex flags=i s with * 'a' x:long * 'b' y
source | parse kind=relaxed s with 'a' x:datetime ',' *
source | parse-where s with 'a' x 'b' y:real
source | parse-kv s as (a:string, c:long) with (pair_delimiter=',', kv_delimiter='=', quote='"')
source | parse-kv s as (a:string, ['odd one']:datetime) with (regex=@'(\w+)=(\w+)')
source | where s in ('a', 'b') | project x = s in~ ('A')
let f = (x:long) { x + 1 }; source | project f(l), y = f(1)
let f = (x:long, y:string = 'z') { strcat(x, y) }; source | project y = f(l)
let f = (x:long) { x + 1 }; source | project f(s)
let f = (x:long) { let y = x * 2; y + l }; source | project z = f(l)
let f = (x:long) { let y = x * 2; y + 1 }; source | project z = f(l)
let T = datatable(a:string)['x', 'y']; source | where s in (T)
let T = datatable(a:string, n:long)['x', 1, 'y', 2]; source | extend z = toscalar(T | where a == 'x' | project n)
let R = view () { range y from 1 to 3 step 1 }; R | where y == 2
let R = () { print y = 1 }; R()
let F = (T:(x:long), v:long) { T | where x >= v }; F((range x from 1 to 10 step 1), 9)
let F = (T:(*), v:long) { T | extend z = v }; let A = datatable(a:string)['b']; F(A, 1) | where z == 1
let F = (T:(x:long)) { T | project y = x }; let B = F((range x from 1 to 2 step 1)); source | where l in (B)
let F = (n:long) { range x from 1 to n step 1 }; let B = F(3) | where x > 1; B
let F = (T:(x:long)) { T }; F((range x from 1 to 2 step 1 | where x > 1))
let F = (T:(x:long)) { T }; F(range x from 1 to 2 step 1)
let F = (T:(x:long)) { T }; F(datatable(y:long)[1])
let c = 1; let e = c + 1; source | extend c, e
let d2 = dynamic({'a': 1}); source | project x = d2.a, y = d2[s]
print 1, a = 2, 3
print x = strcat('a', 'b'), now()
range x from 1 to 5 step 1
range x from 1 to 5 step 1.5 | project x * 2
range x from datetime(2020-01-01) to datetime(2020-01-02) step 1h
datatable(a:int, b:string)[1, 'a', 2, 'b']
datatable(a:int, b:string)[1, 'a', 2, 'b',] | where a > 1
datatable(a:int, b:string)[1, 'a', 2]
datatable(a:dynamic, b:datetime)[dynamic([1, 2]), datetime(2020-01-01)] | extend c = a[0]
(datatable(a:int)[1]) | project a
source | extend x = h'abc', y = @'a\b', z = "a" 'b', w = 'q\'q'
source | project x = 1 == 1 == true
source | project x = 1.5h + 2min + timespan(1.00:00:00) + 10tick
source | project x = datetime(2020-01-01) + 1d, y = todatetime(s) - t, z = decimal(1.5) + 1, g2 = guid(74be27de-1e4e-49d9-b579-fe0b331d3642)
source | project x = int(null), y = datetime(null), z = dynamic(null), w = bool(null), v = real(nan)
source | project x = l in (1, 2.5), y = t between (ago(1d) .. 2d), z = d.a in ('x')
source | project x = s has_any ('a', 'b'), y = s has_all (d), z = s hasprefix 'a', w = s matches regex '^a'
source | project x = d.a + 1, y = d.a * 2.0, z = -d, w = d + d
source | project x = column_ifexists('s', ''), y = column_ifexists('nope', 1.5), z = iscolumnexists('s')
source | project pack_all(), pack_all(true), bag_pack('a', 1), pack_array(s, 1), bag_pack_columns(s, l)
source | project x = extract('a(.)', 1, s, typeof(long)), y = extract_json('$.a', s, typeof(datetime))
source | project x = strcat(s, l, t), y = strcat_array(d, ','), z = coalesce(s, 'x'), w = case(b, 1, s == 'a', 2.0, 3)
source | project x = nofunction(s)
source | project x = nocolumn
source | project x = strlen()
source | project x = s.y
source | project x = substring(s, 'a')
source | projekt x
source | project x = (1
source | project x = 'abc
source | project x = datetime_add('dax', 1, t)
source | project x = trim(s, s)
source | filter b
source | where tostring(d.a.b) has 'x' | extend y = d.a.b, z = d['a']['b']
source | extend ['odd name'] = 1 | project ['odd name'], q = ['odd name'] + 1
source // a comment
print ['a b'] = 1 | project-rename c = ['a b']
print x = dynamic({"a": [1, 'two', datetime(2020-01-01), 1d]})
source | project x = `+"```a\nb```", "\n")

func init() { pipelines[len(pipelines)-2] += "\nb```"; pipelines = pipelines[:len(pipelines)-1] }

// stricter are texts that we refuse and the parser does not, with the reason.
var stricter = map[string]string{
	"let f = (x:long) { x + 1 }; source | project f(s)": "the parser does not look at the arguments of functions that let binds; the service does",
}

func TestPipelinesAgreeWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	for _, text := range pipelines {
		report(t, text, disagreement(t, k, text, everyType, Options{}), stricter[text])
	}
}

// report fails on a disagreement without a reason, and on a reason without a disagreement.
func report(t *testing.T, text, disagreement, reason string) {
	t.Helper()
	if (disagreement == "") != (reason == "") {
		t.Errorf("%s\ndisagreement: %s\nreason: %s", text, disagreement, reason)
	}
}

func TestWrittenDownExpressionsAgreeWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	var list []string
	for _, m := range writtenDown(t) {
		if !strings.HasPrefix(m[1], "parse_cef_dictionary") {
			list = append(list, m[1])
		}
	}
	expressions(t, k, list)
}

// TestTextOfTheReadmeAgreesWithMicrosoftsParser checks the example at the top of
// the README, in the dialect of data collection rules.
func TestTextOfTheReadmeAgreesWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```kql\n(.*?)```").FindSubmatch(readme)
	if m == nil {
		t.Fatal("there is no example")
	}
	source := []Column{{"eventType", String}, {"client", Dynamic}, {"message", String}, {"severity", String}, {"published", String}}
	report(t, string(m[1]), disagreement(t, k, string(m[1]), source, Options{Dialect: DCRDialect}), "")
	if _, err := Compile(string(m[1]), Options{Dialect: DCRDialect}); err != nil { // and without declared columns
		t.Error(err)
	}
}

func TestExamplesAgreeWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	for _, ex := range append(readExamples(t, "transform-examples.json"), readExamples(t, "query-examples.json")...) {
		if _, err := Compile(ex.Query, Options{}); err != nil && strings.Contains(err.Error(), "is not available in a transformation") || strings.Contains(ex.Query, "StormEvents") {
			continue // works on many rows
		}
		report(t, ex.ID+"\n"+ex.Query, disagreement(t, k, ex.Query, []Column{{"y", String}}, Options{}), "")
	}
}

// TestPackagesAgreeWithMicrosoftsParser checks every KQL text of the packages
// of the codeless framework, with the stream that it reads.
func TestPackagesAgreeWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	n := 0
	for file, text := range packageTexts(t) {
		n++
		report(t, file+"\n"+text.kql, disagreement(t, k, text.kql, text.source, Options{Dialect: text.dialect}), looser[filepath.Base(file)])
	}
	t.Logf("%d texts", n)
}

// TestPackageTextsRun runs every text of the packages over a record that fits
// its stream and over one that does not: rows have the types of their columns.
func TestPackageTextsRun(t *testing.T) {
	n := 0
	for file, text := range packageTexts(t) {
		n++
		p, err := Compile(text.kql, Options{Source: text.source, Dialect: text.dialect})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		records := []string{fitting(ccfPackage{source: text.source}), `{"data":"[{\"id\":1},{\"id\":\"2\"}]"}`, "{}"}
		var odd []string
		for _, c := range text.source {
			odd = append(odd, string(scan.AppendQuoted(nil, c.Name))+`:[{"x":"\ud800"}]`)
		}
		records = append(records, "{"+strings.Join(odd, ",")+"}")
		m, rows := p.Runner(), 0
		for _, rec := range records {
			_, err := m.Each([]byte(rec), func(row []byte) error {
				rows++
				var got map[string]any
				if err := json.Unmarshal(row, &got); err != nil {
					return err
				}
				fits(t, p, got)
				return nil
			})
			if err != nil {
				t.Errorf("%s over %s: %v", file, rec, err)
			}
		}
		if rows == 0 {
			t.Errorf("%s makes no rows\n%s", file, text.kql)
		}
	}
	if n < 16 {
		t.Errorf("%d texts", n)
	}
}

// packageTexts yields the KQL texts of all packages, with their files.
func packageTexts(t *testing.T) iter.Seq2[string, packageText] {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared, "ccf", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip(noPackages)
	}
	return func(yield func(string, packageText) bool) {
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := json.Unmarshal([]byte(strings.TrimPrefix(string(data), "\ufeff")), &doc); err != nil {
				t.Fatal(file, err)
			}
			for _, text := range textsOf(t, doc) {
				if !yield(file, text) {
					return
				}
			}
		}
	}
}

// looser are files with a text that we accept and the parser does not, with the reason.
var looser = map[string]string{
	"ValimailEnforceEventLogs_DCR.json": "strcat_delim with one value: the package is published and works, so the service takes it",
}

type packageText struct {
	kql     string
	source  []Column
	dialect Dialect
}

// textsOf finds the transformations of data collection rules with their
// streams, and the texts of steps, which read one column "data" of text.
func textsOf(t *testing.T, doc any) []packageText {
	t.Helper()
	var out []packageText
	findResources(doc, "Microsoft.Insights/dataCollectionRules", func(r map[string]any) {
		streams, _ := get(r, "properties", "streamDeclarations").(map[string]any)
		flows, _ := get(r, "properties", "dataFlows").([]any)
		for _, f := range flows {
			text, _ := get(f, "transformKql").(string)
			names, _ := get(f, "streams").([]any)
			if text == "" || len(names) != 1 {
				continue
			}
			stream, _ := names[0].(string)
			cols := columnsOf(t, get(streams[stream], "columns"))
			if len(cols) > 0 {
				out = append(out, packageText{text, cols, DCRDialect})
			}
		}
	})
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if text, ok := v["stepPlaceholdersParsingKql"].(string); ok {
				out = append(out, packageText{text, []Column{{"data", String}}, StepDialect})
			}
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(doc)
	return out
}
