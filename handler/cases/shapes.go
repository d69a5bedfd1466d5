package cases

import (
	"net/http"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// What is declared is demanded: these faults put something else in the place of a
// list, with status 200.

// instead has a list answered with a text.
func instead(text string) func(*lab, int, *Exchange) *Response {
	return func(l *lab, _ int, x *Exchange) *Response {
		if f := l.s.Response.Format; !l.lists(x) || f == "ndjson" || f == "lines" { // of which any line may be one
			return nil
		}
		return x.with([]byte(text))
	}
}

// followed has the error of a list come behind its records.
func (l *lab) followed(_ int, x *Exchange) *Response {
	body := l.text(x)
	if !l.lists(x) || !l.plainJSON() || !scan.Valid(body) {
		return nil
	}
	return x.with(append(body, "\n{\"error\":\"timed out\"}"...))
}

// marked has an answer begin with a byte order mark.
func (l *lab) marked(_ int, x *Exchange) *Response {
	if body := l.text(x); scan.Valid(body) && x.Response.Status < http.StatusMultipleChoices {
		return x.with(append([]byte("\ufeff"), body...))
	}
	return nil
}

// garbled has a list end with a record that is no JSON.
func (l *lab) garbled(_ int, x *Exchange) *Response {
	if !l.plainJSON() {
		return nil
	}
	return l.extended(x, func([]byte) []byte { return []byte("{\"garbled\":\"a raw \x01, ]} and more\"}") })
}

// plainJSON reports whether records are taken from JSON as they are.
func (l *lab) plainJSON() bool {
	r := &l.s.Response
	return (r.Format == "" || r.Format == "json") && r.Columns == "" && r.Unwrap == ""
}

// doubled has an answer list each record twice.
func (l *lab) doubled(_ int, x *Exchange) *Response {
	return l.extended(x, func(records []byte) []byte { return records })
}

// extended is an answer with more records, made of those that it has.
func (l *lab) extended(x *Exchange, more func(records []byte) []byte) *Response {
	if !l.lists(x) || l.s.Paging.Type == "offset" || l.s.Paging.Type == "last_record" || l.s.Paging.Size > 0 {
		return nil // these count records, or read the last one
	}
	path, err := scan.ParsePath(l.s.Records)
	body := l.text(x)
	if err != nil || !scan.Valid(body) {
		return nil
	}
	var out []byte
	done := 0
	path.Select(body, func(start, end int) {
		first := scan.Space(body, start+1)
		if body[start] != '[' || body[first] == ']' {
			return
		}
		out = append(append(append(out, body[done:end-1]...), ','), more(body[first:end-1])...)
		done = end - 1
	})
	if out == nil {
		return nil
	}
	return x.with(append(out, body[done:]...))
}
