package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func call(t *testing.T, f Func, method, path, body string) (int, string, string) {
	t.Helper()
	h := Handler(map[string]Func{"okta": f}, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Header().Get("Content-Type"), w.Body.String()
}

func TestEveryAnswerIsJSONAndNeverEmpty(t *testing.T) {
	ok := func(context.Context, *Invocation) ([]string, error) { return nil, nil }
	bad := func(context.Context, *Invocation) ([]string, error) {
		return []string{"a line"}, errors.New("provider is down")
	}
	for name, c := range map[string]struct {
		f                  Func
		method, path, body string
		code               int
		want               string
	}{
		"ping":               {ok, "GET", "/", "", 200, "ready"},
		"run":                {ok, "POST", "/okta", `{"Data":{},"Metadata":{}}`, 200, `{"Outputs":{},"Logs":[]}`},
		"failure":            {bad, "POST", "/okta", `{"Data":{},"Metadata":{}}`, 500, `"Logs":["a line","provider is down"]`},
		"unknown function":   {ok, "POST", "/nope", `{}`, 404, "there is no function"},
		"no JSON":            {ok, "POST", "/okta", `hello`, 400, "no JSON"},
		"favicon and others": {ok, "GET", "/robots933456.txt", "", 404, "not found"},
	} {
		code, typ, body := call(t, c.f, c.method, c.path, c.body)
		if code != c.code || !strings.HasPrefix(typ, "application/json") || !json.Valid([]byte(body)) || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s %s", name, code, typ, body)
		}
	}
}

// TestTheReasonOfAFailureIsInTheStatusLine, which is all that the host shows of it; the
// answer is whole, and each failure has a line of the log.
func TestTheReasonOfAFailureIsInTheStatusLine(t *testing.T) {
	long := "okta/system_log: wrong_credentials: the token of “x” was refused …\r\nX-Evil: 1 → " + strings.Repeat("é", 400)
	var log strings.Builder
	bad := func(context.Context, *Invocation) ([]string, error) {
		return []string{"a line"}, Failures{long, "okta/users: budget: late"}
	}
	srv := httptest.NewServer(Handler(map[string]Func{"okta": bad}, slog.New(slog.NewTextHandler(&log, nil))))
	defer srv.Close()
	for range 2 { // the connection is closed, and the next request has one of its own
		req, _ := http.NewRequest(http.MethodPost, srv.URL+"/okta", strings.NewReader(`{"Data":{},"Metadata":{}}`))
		req.Header.Set("Traceparent", "00-bb2bd5eef54cb15a1506d0326d2489e7-d3f54c84c7034d76-00")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var answer response
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		if want := "500 okta/system_log: wrong_credentials: the token of ?x? was refused ... X-Evil: 1 -> ??"; err != nil || !strings.HasPrefix(resp.Status, want) || len(resp.Status) != 304 || resp.Header.Get("X-Evil") != "" {
			t.Errorf("%q, %v, %v", resp.Status, resp.Header, err)
		}
		if len(answer.Logs) != 3 || answer.Logs[1] != long {
			t.Errorf("%q", answer.Logs)
		}
	}
	if n := strings.Count(log.String(), "operation_Id=bb2bd5eef54cb15a1506d0326d2489e7 operation_ParentId=d3f54c84c7034d76"); n != 4 || strings.Count(log.String(), "level=ERROR") != 4 {
		t.Errorf("log: %s", &log)
	}
}

func TestTimerPayloads(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		want    Timer
	}{
		"no monitoring":       {`{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}`, Timer{}},
		"first run":           {`{"ScheduleStatus":{"Last":"0001-01-01T00:00:00","Next":"2026-11-22T10:20:00+00:00","LastUpdated":"0001-01-01T00:00:00"},"IsPastDue":false}`, Timer{Next: time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)}},
		"first run, offset":   {`{"ScheduleStatus":{"Last":"0001-01-01T00:00:00+00:00","Next":"0001-01-01T00:00:00+00:00"},"IsPastDue":true}`, Timer{PastDue: true}},
		"normal, local zone":  {`{"ScheduleStatus":{"Last":"2026-11-22T12:15:00.0034567+02:00","Next":"2026-11-22T12:20:00+02:00"},"IsPastDue":false}`, Timer{Last: time.Date(2026, 11, 22, 10, 15, 0, 3456700, time.UTC), Next: time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)}},
		"without any members": {`{}`, Timer{}},
	} {
		in := &Invocation{Data: map[string]json.RawMessage{"timer": json.RawMessage(c.payload)}}
		got, err := in.Timer("timer")
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestQueueTextMayBeEncodedTwice(t *testing.T) {
	for raw, want := range map[string]string{
		`"\"{\\\"a\\\":1}\""`: `{"a":1}`, `"\"plain\""`: "plain", `"bare"`: "bare", `{"a":1}`: `{"a":1}`, `"1"`: "1",
	} {
		in := &Invocation{Data: map[string]json.RawMessage{"q": json.RawMessage(raw)}}
		if got, err := in.Text("q"); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestTheCallersConnectionIsNoCancellation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var inner error
	h := Handler(map[string]Func{"okta": func(ctx context.Context, _ *Invocation) ([]string, error) { inner = ctx.Err(); return nil, nil }}, slog.New(slog.DiscardHandler))
	req := httptest.NewRequest(http.MethodPost, "/okta", strings.NewReader(`{}`)).WithContext(ctx)
	h.ServeHTTP(httptest.NewRecorder(), req)
	if inner != nil {
		t.Errorf("the run was cancelled: %v", inner)
	}
}
