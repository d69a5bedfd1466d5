package author

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

func draftOf(g *Guess) *Draft {
	return &Draft{Name: "acme", Title: "Acme's \"logs\": all", Publisher: "Acme", BaseURL: "https://api.acme.example/", Path: "/v1/events", Auth: Auth{Type: "api_key", Header: "X-Key", Prefix: "Token"},
		Query: map[string]string{"limit": "10"}, FromParam: "since", ToParam: "until", Stream: "events", Table: "AcmeEvents_CL", Guess: g}
}

func valid(t *testing.T, d *Draft) *spec.Connector {
	t.Helper()
	files, err := d.Files()
	if err != nil {
		t.Fatal(err)
	}
	c, err := spec.Parse("connector.yaml", files["connector.yaml"])
	if err != nil {
		t.Fatalf("%v\n%s", err, files["connector.yaml"])
	}
	return c
}

func TestInfer(t *testing.T) {
	for _, x := range []struct {
		body                             string
		header                           http.Header
		records, id, time, order, paging string
	}{
		{`[{"uuid":"a","published":"2026-11-22T10:00:00Z"},{"uuid":"b","published":"2026-11-22T11:00:00.5Z"}]`, http.Header{"Link": {`<https://x/?p=2>; rel="next"`}},
			"$", "tostring(uuid)", "todatetime(published)", "ascending", "{type: link_header}"},
		{`{"meta":{"next":"https://x/2"},"data":{"log entries":[{"id":2,"type":"x","created_at":1795346000000},{"id":1,"type":"y","created_at":1795345000000}]},"small":[{"a":1}]}`, nil,
			"$.data['log entries']", "tostring(id)", "unixtime_milliseconds_todatetime(tolong(created_at))", "descending", `{type: next_url, url: "$.meta.next"}`},
		{`{"items":[{"n":1,"date":"2026-11-22"},{"n":1,"date":"x"}],"nextPageToken":"t"}`, nil,
			"$.items", "", "now()", "none", `{type: token, token: "$.nextPageToken", query: {cursor: "{page.token}"}}`},
		{`{"items":[{"@timestamp":"2026-11-22T10:00:00Z","_id":"x","lastModified":"2026-11-22T10:00:00Z","a.b":{"c":1},"1st":true,"Connection":"y"}],"next":null}`, nil,
			"$.items", "tostring(_id)", "todatetime(['@timestamp'])", "none", "{type: none}"},
	} {
		g, err := Infer([]byte(x.body), x.header)
		if err != nil {
			t.Fatal(err)
		}
		if g.Records != x.records || g.ID != x.id || g.Time != x.time || g.Order != x.order || g.Paging != x.paging {
			t.Errorf("%s:\n%+v", x.body, g)
		}
		c := valid(t, draftOf(g))
		if _, err := c.Streams[0].Compile(&c.Tables[0], nil); err != nil {
			t.Error(err)
		}
		d := draftOf(g)
		d.FromParam, d.ToParam = "", "" // the whole list, then
		if p := valid(t, d).Streams[0].Position; p.Type != "snapshot" {
			t.Errorf("position %+v", p)
		}
		if last, err := Infer(g.Last([]byte(x.body)), nil); err == nil && last.Records == g.Records {
			t.Errorf("the last answer has records: %s", g.Last([]byte(x.body)))
		}
	}
	for _, body := range []string{"", "<html>", `{"a":1}`, `[]`, `[1,2]`} {
		if g, err := Infer([]byte(body), nil); err == nil {
			t.Errorf("%s: %+v", body, g)
		}
	}
	if g, err := InferAt([]byte(`{"x":{"one":{"id":"1"},"two":{"id":"2"}}}`), nil, "$.x.*"); err != nil || g.Count != 2 || g.ID != "tostring(id)" {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestAllWaysToAuthenticateAreValid(t *testing.T) {
	g, err := Infer([]byte(`[{"id":"a"}]`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []Auth{{Type: "none"}, {Type: "bearer"}, {Type: "basic"}, {Type: "api_key"}, {Type: "api_key", Query: "key"}, {Type: "api_key", Header: "X", Prefix: "Token"}} {
		d := draftOf(g)
		d.Auth = a
		valid(t, d)
	}
}

func TestSecretsAreScrubbed(t *testing.T) {
	scrub := Scrubber(map[string]string{"api_token": `s3cret "+/`, "other": ""})
	for _, text := range []string{`s3cret "+/`, "s3cret+%22%2B%2F", `s3cret%20%22+%2F`, `s3cret \"+/`} {
		if got := scrub("a " + text + " b"); got != "a test-api_token b" {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// FuzzInfer: whatever an API answers, the draft is valid, or there is an error.
func FuzzInfer(f *testing.F) {
	for _, s := range []string{`[{"id":1,"time":"2026-11-22T10:00:00Z"}]`, `{"a b":{"c'd":[{"\"x":1,"x":[{}]}]},"next_é":"/x"}`, `{"items":[{"":1,"kql()":"--"}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		g, err := Infer([]byte(body), nil)
		if err != nil || len(g.Columns) > 400 {
			return
		}
		valid(t, draftOf(g))
		if strings.Contains(g.Paging, "\n") {
			t.Error(g.Paging)
		}
	})
}
