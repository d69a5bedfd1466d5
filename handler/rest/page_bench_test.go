package rest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// BenchmarkPage reads a page of 500 records, by each way of paging: finding the records
// and what follows them, without the request.
func BenchmarkPage(b *testing.B) {
	record := `{"id":"4711","time":"2026-11-22T11:00:00Z","actor":{"name":"somebody","address":"192.0.2.7"},"outcome":"success"}`
	body := []byte(`{"data":[` + strings.Repeat(record+",", 499) + record + `],"meta":{"next":"/base/v1/events?after=4711","count":100000}}`)
	u, err := url.Parse("https://acme.example/base/v1/events")
	if err != nil {
		b.Fatal(err)
	}
	resp := &http.Response{StatusCode: http.StatusOK, Request: &http.Request{URL: u}, Header: http.Header{"Content-Type": {"application/json"}, "Link": {`</base/v1/events?after=4711>; rel="next"`}}}
	for _, paging := range []string{`{type: none}`, `{type: link_header}`, `{type: next_url, url: $.meta.next}`, `{type: token, token: $.meta.next, query: {c: "{page.token}"}}`,
		`{type: offset, total: $.meta.count, query: {c: "{page.token}"}}`, `{type: page, query: {c: "{page.token}"}}`, `{type: last_record, token: $.id, query: {c: "{page.token}"}}`} {
		b.Run(strings.Trim(strings.Fields(paging)[1], ",}"), func(b *testing.B) {
			c, err := spec.Parse("acme.yaml", []byte(strings.Replace(tokenConnector, `{type: token, token: $.meta.next, query: {cursor: "{page.token}"}}`, paging, 1)))
			if err != nil {
				b.Fatal(err)
			}
			s, err := open(c, &c.Streams[0], Options{Settings: map[string]string{"host": "acme.example", "key": secret}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.levels[0].page(resp, body, "7"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
