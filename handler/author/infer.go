// Package author helps to write connectors: it looks at what an API answers and
// guesses where the records are, what makes one unique, when it happened and which
// columns a table should have; and it writes the files of a connector and its cases.
package author

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// Guess is what an answer suggests. Empty members could not be told.
type Guess struct {
	Records string           // path of the records
	Count   int              // of records in the answer
	ID      string           // KQL
	Time    string           // KQL
	Format  string           // of times in parameters, as the records have them
	Order   string           // ascending, descending or none
	Columns []InferredColumn // of the records' members
	Paging  string           // a paging: in YAML; none: {type: none}
	Next    string           // where the answer has what leads on
	Notes   []string         // what a person should look at
}

// InferredColumn is a column for a member of the records.
type InferredColumn struct{ Name, Type, KQL string }

// Infer guesses from an answer: its body, and its headers.
func Infer(body []byte, header http.Header) (*Guess, error) {
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		return nil, fmt.Errorf("the answer is no JSON: %w", err)
	}
	path, list := largestList(root, nil, 0)
	if list == nil {
		return nil, fmt.Errorf("the answer has no list of objects: try a time in which something happened, or say where records are with --records")
	}
	return guess(pathText(path), list, root, header), nil
}

// guess looks at the records of an answer, and at what is around them.
func guess(records string, list []map[string]any, root any, header http.Header) *Guess {
	g := &Guess{Order: "none", Records: records, Count: len(list)}
	g.columns(list)
	g.identify(list)
	g.when(list)
	g.paging(root, header)
	return g
}

// InferAt is Infer with the place of the records given.
func InferAt(body []byte, header http.Header, records string) (*Guess, error) {
	p, err := scan.ParsePath(records)
	if err != nil {
		return nil, err
	}
	if !scan.Valid(body) {
		return nil, fmt.Errorf("the answer is no JSON")
	}
	var list []any
	p.Select(body, func(start, end int) {
		var v any
		if json.Unmarshal(body[start:end], &v) != nil {
			return
		}
		if l, ok := v.([]any); ok {
			list = append(list, l...)
		} else {
			list = append(list, v)
		}
	})
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		return nil, err
	}
	objects := objectsOf(list)
	if len(objects) == 0 {
		return nil, fmt.Errorf("there are no objects at %s", records)
	}
	return guess(records, objects, root, header), nil
}

// largestList finds the longest list of objects, not deeper than four steps.
func largestList(v any, path []string, depth int) (best []string, list []map[string]any) {
	switch v := v.(type) {
	case []any:
		if objects := objectsOf(v); len(objects) > 0 {
			return slices.Clone(path), objects
		}
	case map[string]any:
		if depth == 4 {
			return nil, nil
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if !sane.MatchString(k) {
				continue
			}
			if p, l := largestList(v[k], append(path, k), depth+1); len(l) > len(list) {
				best, list = p, l
			}
		}
	}
	return best, list
}

func objectsOf(list []any) (objects []map[string]any) {
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			objects = append(objects, m)
		}
	}
	return objects
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func pathText(path []string) string {
	text := "$"
	for _, k := range path {
		if plainKey.MatchString(k) {
			text += "." + k
		} else {
			text += "['" + k + "']"
		}
	}
	return text
}

// sane are names of members that need no escaping anywhere; others are left to
// AdditionalFields.
var sane = regexp.MustCompile(`^[\p{L}\p{N}_@$][\p{L}\p{N} _.@$:/-]*$`)

// kqlName is a member as KQL reads it. Words of the language stand in brackets.
func kqlName(key string) string {
	if plainKey.MatchString(key) && !slices.Contains(words, key) {
		return key
	}
	return "['" + key + "']"
}

var words = []string{"date", "time", "title", "datetime", "timespan", "type", "int", "long", "real", "bool", "string", "dynamic", "guid", "and", "or", "by", "in", "on", "of", "to", "with", "where", "project", "extend", "let", "table", "database", "cluster"}

// columns makes a column of each member.
func (g *Guess) columns(list []map[string]any) {
	seen := map[string]bool{}
	for _, rec := range list {
		for k := range rec {
			seen[k] = sane.MatchString(k)
		}
	}
	used := map[string]bool{}
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		name := columnName(k)
		if !seen[k] || used[strings.ToLower(name)] {
			continue
		}
		used[strings.ToLower(name)] = true
		typ := typeOf(list, k)
		kql := kqlName(k)
		if cast := casts[typ]; cast != "" {
			kql = cast + "(" + kql + ")"
		}
		g.Columns = append(g.Columns, InferredColumn{name, typ, kql})
	}
}

var casts = map[string]string{"string": "tostring", "long": "tolong", "real": "toreal", "bool": "tobool", "datetime": "todatetime"}

// taken are names that tables have already, or must not have.
var taken = []string{"TimeGenerated", "EventUid", "SluiceConnection", "EventTime", "IsBackfill", "AdditionalFields", "TenantId", "Type"}

func columnName(key string) string {
	var b strings.Builder
	upper := true
	for _, c := range key {
		switch {
		case c > 127 || !unicode.IsLetter(c) && !unicode.IsDigit(c):
			upper = true
		case upper:
			b.WriteRune(unicode.ToUpper(c))
			upper = false
		default:
			b.WriteRune(c)
		}
	}
	name := b.String()
	if name == "" || unicode.IsDigit(rune(name[0])) {
		name = "Field" + name
	}
	if len(name) > 60 {
		name = name[:60]
	}
	if slices.ContainsFunc(taken, func(t string) bool { return strings.EqualFold(t, name) }) {
		name = "Original" + name
	}
	return name
}

// typeOf is the type that all values of a member fit.
func typeOf(list []map[string]any, key string) string {
	typ := ""
	for _, rec := range list {
		t := ""
		switch v := rec[key].(type) {
		case nil:
			continue
		case bool:
			t = "bool"
		case float64:
			if t = "long"; v != float64(int64(v)) {
				t = "real"
			}
		case string:
			if t = "string"; isTime(v) {
				t = "datetime"
			}
		default:
			t = "dynamic"
		}
		switch {
		case typ == "" || typ == t:
			typ = t
		case typ == "long" && t == "real" || typ == "real" && t == "long":
			typ = "real"
		default:
			return "dynamic"
		}
	}
	return cmp.Or(typ, "string")
}

func isTime(s string) bool {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// identify finds the member that makes a record unique: one whose name says so, and
// whose values are all there and all different.
func (g *Guess) identify(list []map[string]any) {
	best, rank := "", 0
	for k := range list[0] {
		r := idRank(k)
		if r > rank && sane.MatchString(k) && distinctTexts(list, k) {
			best, rank = k, r
		}
	}
	if best == "" {
		g.Notes = append(g.Notes, "no member looks like an id: records are told apart by all that is in them; give position.id if there is one")
		return
	}
	g.ID = "tostring(" + kqlName(best) + ")"
}

func idRank(key string) int {
	switch k := strings.ToLower(strings.Trim(key, "_")); {
	case k == "uuid" || k == "eventid" || k == "event_id" || k == "eventuid":
		return 5
	case k == "id":
		return 4
	case strings.HasSuffix(k, "uuid") || strings.HasSuffix(k, "guid"):
		return 3
	case strings.HasSuffix(k, "id"):
		return 2
	}
	return 0
}

func distinctTexts(list []map[string]any, key string) bool {
	seen := map[string]bool{}
	for _, rec := range list {
		v, ok := rec[key]
		text := fmt.Sprint(v)
		if _, scalar := v.(map[string]any); !ok || v == nil || scalar || seen[text] {
			return false
		}
		seen[text] = true
	}
	return true
}

// when finds the member that says when a record happened, and how.
func (g *Guess) when(list []map[string]any) {
	best, rank := "", 0
	for k := range list[0] {
		if r := timeRank(k); r > rank && sane.MatchString(k) && timeKQL(list, k) != "" {
			best, rank = k, r
		}
	}
	if best == "" {
		g.Time = "now()"
		g.Notes = append(g.Notes, "no member looks like the time of the event: give position.time and the column TimeGenerated")
		return
	}
	g.Time = timeKQL(list, best)
	switch {
	case strings.Contains(g.Time, "milliseconds"):
		g.Format = "unix_ms"
	case strings.Contains(g.Time, "seconds"):
		g.Format = "unix"
	default:
		g.Format = "rfc3339"
	}
	g.Order = orderBy(list, best)
}

func timeRank(key string) int {
	rank := 0
	k := strings.ToLower(strings.NewReplacer("_", "", "@", "").Replace(key))
	for word, r := range timeWords {
		if strings.Contains(k, word) {
			rank = max(rank, r)
		}
	}
	if rank > 0 && (strings.Contains(k, "update") || strings.Contains(k, "modif") || strings.Contains(k, "last")) {
		rank = 1
	}
	return rank
}

var timeWords = map[string]int{"timestamp": 8, "eventtime": 9, "occurred": 8, "published": 8, "time": 6, "created": 5, "date": 4, "when": 4, "at": 2}

// timeKQL reads a member as a time, in the way in which all records have it; "" when
// it is none.
func timeKQL(list []map[string]any, key string) string {
	kql := ""
	for _, rec := range list {
		this := ""
		switch v := rec[key].(type) {
		case string:
			if isTime(v) {
				this = "todatetime(" + kqlName(key) + ")"
			}
		case float64:
			switch {
			case v > 1e9 && v < 1e10:
				this = "unixtime_seconds_todatetime(tolong(" + kqlName(key) + "))"
			case v > 1e12 && v < 1e13:
				this = "unixtime_milliseconds_todatetime(tolong(" + kqlName(key) + "))"
			case v > 1e15 && v < 1e16:
				this = "unixtime_microseconds_todatetime(tolong(" + kqlName(key) + "))"
			}
		}
		if this == "" || kql != "" && kql != this {
			return ""
		}
		kql = this
	}
	return kql
}

// orderBy compares neighbours; texts of times sort as the times do.
func orderBy(list []map[string]any, key string) string {
	up, down := true, true
	for i := 1; i < len(list); i++ {
		a, b := list[i-1][key], list[i][key]
		c := 0
		switch x := a.(type) {
		case string:
			y, _ := b.(string)
			c = strings.Compare(x, y)
		case float64:
			y, _ := b.(float64)
			c = cmp.Compare(x, y)
		}
		up, down = up && c <= 0, down && c >= 0
	}
	switch {
	case len(list) < 2 || up == down:
		return "none"
	case up:
		return "ascending"
	}
	return "descending"
}

// paging looks for what leads on.
func (g *Guess) paging(root any, header http.Header) {
	g.Paging = "{type: none}"
	for _, h := range header.Values("Link") {
		if strings.Contains(h, "next") {
			g.Paging = "{type: link_header}"
			return
		}
	}
	var found []string // path of each candidate
	walk(root, nil, func(path []string, v any) {
		if text, ok := v.(string); ok && text != "" && leadsOn(path[len(path)-1]) {
			found = append(found, pathText(path)+" "+text)
		}
	})
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")), strings.Compare(a, b))
	})
	if len(found) == 0 {
		return
	}
	path, text, _ := strings.Cut(found[0], " ")
	g.Next = path
	if strings.HasPrefix(text, "http") || strings.HasPrefix(text, "/") {
		g.Paging = fmt.Sprintf("{type: next_url, url: %q}", path)
		return
	}
	g.Paging = fmt.Sprintf(`{type: token, token: %q, query: {cursor: "{page.token}"}}`, path)
	g.Notes = append(g.Notes, "the next page's token is at "+path+"; the parameter that takes it is a guess: cursor")
}

// Last is an answer like body that has no records and leads nowhere.
func (g *Guess) Last(body []byte) []byte {
	if g.Records == "$" {
		return []byte("[]")
	}
	out := body
	for path, value := range map[string]string{g.Records: "[]", g.Next: "null"} {
		p, err := scan.ParsePath(path)
		if path == "" || err != nil {
			continue
		}
		src := out
		out = nil
		done := 0
		p.Select(src, func(start, end int) {
			out = append(append(out, src[done:start]...), value...)
			done = end
		})
		out = append(out, src[done:]...)
	}
	return out
}

func leadsOn(key string) bool {
	k := strings.ToLower(strings.NewReplacer("_", "", "-", "", "@", "", ".", "").Replace(key))
	return strings.Contains(k, "next") || k == "cursor" || k == "continuationtoken" || k == "endcursor"
}

// walk visits members of objects, not those of lists, three steps deep.
func walk(v any, path []string, f func([]string, any)) {
	m, ok := v.(map[string]any)
	if !ok || len(path) > 3 {
		return
	}
	for k, e := range m {
		if !sane.MatchString(k) {
			continue
		}
		inner := append(slices.Clone(path), k)
		f(inner, e)
		walk(e, inner, f)
	}
}
