package workspace

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type service struct {
	t    *testing.T
	ws   *Workspace
	srv  *httptest.Server
	rule CollectionRule
}

func start(t *testing.T) *service {
	t.Helper()
	ws, err := Open(":memory:", []Table{{"T_CL", []kql.Column{{Name: "TimeGenerated", Type: kql.Datetime}, {Name: "Name", Type: kql.String},
		{Name: "N", Type: kql.Int}, {Name: "Big", Type: kql.Long}, {Name: "R", Type: kql.Real}, {Name: "B", Type: kql.Bool}, {Name: "D", Type: kql.Dynamic}}}},
		func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, ws: ws, srv: httptest.NewServer(ws.Handler()), rule: ws.Rules()[0]}
	t.Cleanup(func() { s.srv.Close(); ws.Close() })
	return s
}

// post sends rows and returns status, error code and headers.
func (s *service) post(body string, header ...string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequest("POST", s.srv.URL+"/dataCollectionRules/"+s.rule.ID+"/streams/Custom-T_CL?api-version=2023-01-01", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer none")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct{ Error struct{ Code string } }
	_ = json.NewDecoder(resp.Body).Decode(&doc)
	return resp.StatusCode, doc.Error.Code, resp.Header
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestStatusCodesAreThoseOfTheService(t *testing.T) {
	s := start(t)
	tooBig := `[{"Name":"` + strings.Repeat("x", sentinel.MaxCall) + `"}]`
	for name, c := range map[string]struct {
		body   string
		header []string
		code   int
		err    string
	}{
		"rows":             {`[{"Name":"a"},{"Name":"b"}]`, nil, 204, ""},
		"no rows":          {`[]`, nil, 204, ""},
		"gzip":             {gzipped(`[{"Name":"a"}]`), []string{"Content-Encoding", "gzip"}, 204, ""},
		"an object":        {`{"Name":"a"}`, nil, 400, "InvalidPayload"},
		"no JSON":          {`[{"Name":`, nil, 400, "InvalidPayload"},
		"numbers":          {`[1]`, nil, 400, "InvalidPayload"},
		"no token":         {`[]`, []string{"Authorization", ""}, 401, "AuthenticationTokenInvalid"},
		"a foreign token":  {`[]`, []string{"Authorization", "Bearer abc"}, 401, "AuthenticationTokenInvalid"},
		"too large":        {tooBig, nil, 413, "ContentLengthLimitExceeded"},
		"too large inside": {gzipped(tooBig), []string{"Content-Encoding", "gzip"}, 413, "ContentLengthLimitExceeded"},
		"no JSON type":     {`[]`, []string{"Content-Type", "text/plain"}, 415, "UnsupportedMediaType"},
		"not gzip":         {`[]`, []string{"Content-Encoding", "gzip"}, 400, "InvalidPayload"},
	} {
		code, errCode, h := s.post(c.body, c.header...)
		if code != c.code || errCode != c.err || h.Get("x-ms-error-code") != c.err {
			t.Errorf("%s: %d %s, want %d %s", name, code, errCode, c.code, c.err)
		}
	}
	s.ws.Deny(s.rule.ID, true)
	if code, errCode, _ := s.post(`[]`); code != 403 || errCode != "OperationFailed" {
		t.Errorf("without the role: %d %s", code, errCode)
	}
	s.ws.Deny(s.rule.ID, false)
	s.rule.ID = "dcr-00000000000000000000000000000000"
	if code, _, _ := s.post(`[]`); code != 404 {
		t.Errorf("an unknown rule: %d", code)
	}
}

func TestThrottlingSaysWhenToComeBack(t *testing.T) {
	s := start(t)
	s.ws.usage[s.rule.ID] = &usage{minute: noon.Unix() / 60, requests: maxRequests}
	code, errCode, h := s.post(`[]`)
	if code != 429 || errCode != "TooManyRequests" || h.Get("Retry-After") != "60" {
		t.Errorf("%d %s, Retry-After %q", code, errCode, h.Get("Retry-After"))
	}
}

func TestWhatTheServiceDoesSilently(t *testing.T) {
	s := start(t)
	long := strings.Repeat("é", sentinel.MaxText)
	code, _, _ := s.post(`[
		{"TimeGenerated":"2026-11-22T11:00:00Z","Name":5,"N":"17","Big":9007199254740993,"R":"1.5","B":"true","D":{"x":[1]},"Undeclared":1},
		{"TimeGenerated":"2026-11-19T11:00:00Z","Name":"old","N":3000000000},
		{"TimeGenerated":"2026-11-24T11:00:00Z","Name":"future"},
		{"Name":"` + long[:100_000] + `"}]`)
	if code != 204 {
		t.Fatal(code)
	}
	res, err := s.ws.Query(t.Context(), "T_CL | sort by Name asc")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]any{}
	for _, row := range res.Rows {
		got[cellText(row[1])[:min(6, len(cellText(row[1])))]] = row
	}
	first := got["5"]
	want := `["2026-11-22T11:00:00Z","5",17,9007199254740993,1.5,true,{"x":[1]}]`
	if b, _ := json.Marshal(first); string(b) != want {
		t.Errorf("row %s, want %s", b, want)
	}
	for _, name := range []string{"old", "future"} {
		if at := cellText(got[name][0]); at != "2026-11-22T12:00:00Z" {
			t.Errorf("TimeGenerated of the %s row is %s, want the time of receipt", name, at)
		}
	}
	if n := got["old"][2]; n != nil {
		t.Errorf("a number that does not fit an int is %s, want null", n)
	}
	if n := len(cellText(got["ééé"][1])); n != sentinel.MaxText {
		t.Errorf("the long text has %d bytes, want %d", n, sentinel.MaxText)
	}
}

func TestQueries(t *testing.T) {
	s := start(t)
	s.post(`[{"TimeGenerated":"2026-11-22T10:00:00Z","Name":"a","N":1,"D":{"k":"x"}},{"TimeGenerated":"2026-11-22T11:00:00Z","Name":"b","N":2},{"TimeGenerated":"2026-11-22T11:30:00Z","Name":"a","N":10}]`)
	for query, want := range map[string]string{
		`T_CL | count`:                                                        `[[3]]`,
		`T_CL | where Name == "a" | project N`:                                `[[1],[10]]`,
		`T_CL | take 1 | project Name, K = tostring(D.k)`:                     `[["a","x"]]`,
		`T_CL | sort by N | project N | take 2`:                               `[[10],[2]]`,
		`T_CL | top 1 by TimeGenerated asc | project N`:                       `[[1]]`,
		`T_CL | summarize count(), Most = max(N) by Name`:                     `[["a",2,10],["b",1,2]]`,
		`T_CL | distinct Name`:                                                `[["a"],["b"]]`,
		`T_CL | summarize dcount(Name), sum(N)`:                               `[[2,13]]`,
		`T_CL | where TimeGenerated > datetime(2026-11-22T10:30:00Z) | count`: `[[2]]`,
		`T_CL | where Name == "no" | count`:                                   `[[0]]`,
	} {
		res, err := s.ws.Query(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if b, _ := json.Marshal(res.Rows); string(b) != want {
			t.Errorf("%s: %s, want %s", query, b, want)
		}
	}
	for query, want := range map[string]string{
		"Q_CL":                       `there is no table "Q_CL" (did you mean T_CL?)`,
		"T_CL | sumarize count()":    "did you mean summarize?",
		"T_CL | where Nmae == 'a'":   "there is no column Nmae (did you mean Name?)",
		"T_CL | join (Q_CL) on Name": "does not know the operator join",
	} {
		if _, err := s.ws.Query(t.Context(), query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

func TestQueryAnswersAsTheAPIDoes(t *testing.T) {
	s := start(t)
	s.post(`[{"Name":"a"}]`)
	resp, err := http.Post(s.srv.URL+"/v1/workspaces/any/query", "application/json", strings.NewReader(`{"query":"T_CL | project Name, N"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if want := `{"tables":[{"columns":[{"name":"Name","type":"string"},{"name":"N","type":"int"}],"name":"PrimaryResult","rows":[["a",null]]}]}`; strings.TrimSpace(string(body)) != want {
		t.Errorf("answer %s, want %s", body, want)
	}
}

func TestTokens(t *testing.T) {
	s := start(t)
	resp, err := http.PostForm(s.srv.URL+"/tenant/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"https://monitor.azure.com//.default"}, "client_id": {"x"}, "client_secret": {"y"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tok); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := s.post(`[]`, "Authorization", "Bearer "+tok.AccessToken); code != 204 {
		t.Errorf("with a token that was issued: %d", code)
	}
}
