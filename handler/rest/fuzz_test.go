package rest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// answers is a transport that gives one answer.
type answers func() *http.Response

func (f answers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := f()
	resp.Request = req
	return resp, nil
}

// FuzzAnswer: whatever a provider answers, there is a page or a classified
// error, and neither holds the credential.
func FuzzAnswer(f *testing.F) {
	for _, s := range []struct {
		status     int
		link, body string
	}{
		{200, "", `{"data":[{"t":1}],"meta":{"next":"2"}}`},
		{200, `<https://x.example/a?b=` + secret + `>; rel="next"`, `{"data":[]}`},
		{200, `<//evil.example/>; rel=next`, `[]`},
		{200, "", `<html>`}, {200, "", `{"data":`}, {401, "", secret}, {429, "", ""}, {410, "", "gone"}, {302, "https://evil.example", ""}, {599, "", "\x1b[2J"},
	} {
		f.Add(s.status, s.link, []byte(s.body))
	}
	c, err := spec.Parse("acme.yaml", []byte(tokenConnector))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, link string, body []byte) {
		for _, paging := range []spec.Paging{c.Streams[0].Paging, {Type: "link_header"}} {
			stream := c.Streams[0]
			stream.Paging = paging
			s, err := open(c, &stream, Options{Settings: map[string]string{"host": "x.example", "key": secret}, Now: func() time.Time { return noon },
				Transport: answers(func() *http.Response {
					return &http.Response{StatusCode: 100 + (status%500+500)%500, Header: http.Header{"Link": {link}, "Location": {link}, "Retry-After": {link}},
						Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
				})})
			if err != nil {
				t.Fatal(err)
			}
			page, err := s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, "token")
			switch {
			case err != nil:
				if strings.Contains(err.Error(), secret) || strings.ContainsAny(err.Error(), "\x1b\r") {
					t.Errorf("error: %q", err)
				}
			case strings.Contains(page.Next, secret):
				t.Errorf("token: %q", page.Next)
			}
		}
	})
}
