package rest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestHowARequestIsWritten: repeated parameters, and bodies as JSON, form and text.
func TestHowARequestIsWritten(t *testing.T) {
	for request, want := range map[string]string{
		`{path: /e, query: {type: [a, "{host}", 3], from: "{window.from:unix}"}}`:                                                    "GET ?from=1795345200&type=a&type=me&type=3   ",
		`{method: POST, path: /e, body: {a: {from: "{window.from:yyyy-MM-dd HH:mm:ss}", n: 1, l: ["{host}", true]}}}`:                `POST ? application/json {"a":{"from":"2026-11-22 11:00:00","l":["me",true],"n":1}}`,
		`{method: POST, path: /e, encode: form, headers: {X-Since: "{window.from}"}, body: {q: "a & {host}", l: [1, 2], empty: ""}}`: "POST ? application/x-www-form-urlencoded empty=&l=1&l=2&q=a+%26+me",
		`{method: POST, path: /e, encode: text, headers: {Content-Type: text/x-query}, body: "from {window.from:unix_ms}\n"}`:        "POST ? text/x-query from 1795345200000\n",
	} {
		doc := strings.Replace(tokenConnector, `{path: "/v1/{host}/events", query: {from: "{window.from:unix}", to: "{window.to:unix_ms}", day: "{window.from:date}"}}`, request, 1)
		c, err := spec.Parse("acme.yaml", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		base, srv := newSource(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = r.Method + " ?" + r.URL.RawQuery + " " + r.Header.Get("Content-Type") + " " + string(body)
			_, _ = io.WriteString(w, `{"data":[]}`)
		})
		s, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL, Settings: map[string]string{"host": "me", "key": secret}, Now: base.opt.Now})
		if err == nil {
			_, err = s.Fetch(t.Context(), window, "")
		}
		if err != nil || strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s:\n got %q\nwant %q (%v)", request, got, want, err)
		}
	}
}
