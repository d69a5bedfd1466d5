package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
)

const jobStream = `
request: {method: POST, path: /export, body: {since: "{window.from:unix}"}}
job:
  id: $.uuid
  status: {path: "/export/{job}"}
  at: $.status
  done: [FINISHED]
  failed: [ERROR]
  parts: $.chunks
  download: {path: "/export/{job}/{part}"}
  delete: {method: DELETE, path: "/export/{job}"}
records: $` + windowed

func TestAJobIsStartedWaitedForAndDownloaded(t *testing.T) {
	for _, afresh := range []bool{false, true} {
		polls := 0
		a := newAPI(t, map[string]any{
			`POST /export {"since":1795345200}`: `{"uuid":"j 1"}`,
			"GET /export/j%201": func(w http.ResponseWriter, _ *http.Request) {
				if polls++; polls < 3 {
					_, _ = io.WriteString(w, `{"status":"PROCESSING","chunks":[1]}`)
					return
				}
				_, _ = io.WriteString(w, `{"status":"FINISHED","chunks":[1,2]}`)
			},
			"GET /export/j%201/1":  `[1,2]`,
			"GET /export/j%201/2":  `[3]`,
			"DELETE /export/j%201": 404,
		})
		got, _ := a.all(t, declared(t, "", jobStream), "", afresh)
		expect(t, got, "1", "2", "3")
		created := 0
		for _, what := range a.asked {
			if strings.HasPrefix(what, "POST") {
				created++
			}
		}
		if created != 1 || a.asked[len(a.asked)-1] != "DELETE /export/j%201" {
			t.Errorf("requests: %q", a.asked)
		}
	}
}

func TestAJobThatFailsOrIsGoneIsStartedAnew(t *testing.T) {
	for name, status := range map[string]any{"failed": `{"status":"ERROR"}`, "gone": 404} {
		a := newAPI(t, map[string]any{`POST /export {"since":1795345200}`: `{"uuid":"j"}`, "GET /export/j": status, "DELETE /export/j": `{}`})
		src := a.open(t, declared(t, "", jobStream))
		page, err := src.Fetch(t.Context(), window, "")
		if err != nil || !page.Commit {
			t.Fatalf("%+v, %v", page, err)
		}
		if _, err := src.Fetch(t.Context(), window, page.Next); !errors.Is(err, engine.ErrTokenExpired) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A part that is gone takes the job with it.
	a := newAPI(t, map[string]any{`POST /export {"since":1795345200}`: `{"uuid":"j"}`, "GET /export/j": `{"status":"FINISHED","chunks":[1]}`, "GET /export/j/1": 404})
	src := a.open(t, declared(t, "", jobStream))
	page, err := src.Fetch(t.Context(), window, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Fetch(t.Context(), window, page.Next); !errors.Is(err, engine.ErrTokenExpired) {
		t.Errorf("a part that is gone: %v", err)
	}
}

func TestAJobThatTakesTooLongIsGivenUp(t *testing.T) {
	a := newAPI(t, map[string]any{"DELETE /export/j": `{}`})
	src := a.open(t, declared(t, "", jobStream))
	token := placeToken([]frame{{Token: "j", Since: noon.Add(-7 * 3600e9).Unix()}})
	_, err := src.Fetch(t.Context(), window, token)
	if !errors.Is(err, engine.ErrTokenExpired) || reason(err) != "job_failed" || len(a.asked) != 1 {
		t.Errorf("%v (%s); asked %q", err, reason(err), a.asked)
	}
}

// TestAJobOfAnyNameIsWaitedFor: no name reads as one that is over.
func TestAJobOfAnyNameIsWaitedFor(t *testing.T) {
	for _, name := range []string{"done:j", "[]", "null", `{"d":true}`} {
		at := "/export/" + url.PathEscape(name)
		body, err := json.Marshal(map[string]string{"uuid": name})
		if err != nil {
			t.Fatal(err)
		}
		a := newAPI(t, map[string]any{`POST /export {"since":1795345200}`: string(body), "GET " + at: `{"status":"FINISHED","chunks":[1]}`, "GET " + at + "/1": `[1]`, "DELETE " + at: 404})
		got, _ := a.all(t, declared(t, "", jobStream), "", true)
		expect(t, got, "1")
	}
}

// TestAJobWithoutAStatusIsNotRunning: it is asked for again, and then an error says
// where there is none.
func TestAJobWithoutAStatusIsNotRunning(t *testing.T) {
	for _, answer := range []string{`{}`, `[]`, `{"state":"RUNNING"}`, `{"status":null}`, `{"status":" "}`, `{"error":{"code":7}}`, `false`} {
		a := newAPI(t, map[string]any{"GET /export/j": answer})
		token := placeToken([]frame{{Token: "j", Since: noon.Unix()}})
		_, err := a.open(t, declared(t, "", jobStream)).Fetch(t.Context(), window, token)
		if e := new(engine.Error); !errors.As(err, &e) || e.Kind != engine.Transient || e.Reason != "unexpected_answer" || !strings.Contains(err.Error(), "no status at $.status") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// TestAJobsNameWithACredential is stored sealed, and found again by another process.
func TestAJobsNameWithACredential(t *testing.T) {
	a := newAPI(t, map[string]any{
		`POST /export {"since":1795345200}`: `{"uuid":"j-` + secret + `"}`,
		"GET /export/j-" + secret:           `{"status":"FINISHED","chunks":[1]}`,
		"GET /export/j-" + secret + "/1":    `[1]`,
		"DELETE /export/j-" + secret:        `{}`,
	})
	c := declared(t, "", jobStream)
	page, err := a.open(t, c).Fetch(t.Context(), window, "")
	if err != nil || strings.Contains(page.Next, secret) || !strings.Contains(page.Next, `\u0001`) {
		t.Fatalf("%+v, %v", page, err)
	}
	got, _ := a.all(t, c, page.Next, true)
	expect(t, got, "1")
}
