package workspace

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/kql"
)

// TestQueriesNeedWhatNoFormCanSend: else any page that somebody looks at could ask.
func TestQueriesNeedWhatNoFormCanSend(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct {
		method, target, typ, body, authorization string
		code                                     int
	}{
		"as the API":         {"POST", "", "application/json", `{"query":"T_CL"}`, "", 200},
		"with a charset":     {"POST", "", "application/json; charset=utf-8", `{"query":"T_CL"}`, "", 200},
		"a form":             {"POST", "", "application/x-www-form-urlencoded", `{"query":"T_CL"}`, "", 415},
		"a form of text":     {"POST", "", "text/plain", `{"query":"T_CL"}`, "", 415},
		"nearly JSON":        {"POST", "", "application/jsonx", `{"query":"T_CL"}`, "", 415},
		"nothing":            {"POST", "", "", `{"query":"T_CL"}`, "", 415},
		"an image":           {"GET", "?query=T_CL", "", "", "", 401},
		"GET as the API":     {"GET", "?query=T_CL", "", "", "Bearer none", 200},
		"too long":           {"POST", "", "application/json", `{"query":"` + strings.Repeat("x", 3*maxQuery) + `"}`, "", 400},
		"too long by itself": {"POST", "", "application/json", `{"query":"T_CL` + strings.Repeat(" ", maxQuery) + `"}`, "", 400},
	} {
		req := httptest.NewRequestWithContext(t.Context(), c.method, "/v1/workspaces/local/query"+c.target, strings.NewReader(c.body))
		if c.typ != "" {
			req.Header.Set("Content-Type", c.typ)
		}
		if c.authorization != "" {
			req.Header.Set("Authorization", c.authorization)
		}
		rec := httptest.NewRecorder()
		s.ws.Handler().ServeHTTP(rec, req)
		if rec.Code != c.code {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestAQueryHasAnEnd: in time, in bytes, in depth.
func TestAQueryHasAnEnd(t *testing.T) {
	s := start(t)
	if code, _, _ := s.post(`[{"Name":"a"},{"Name":"b"}]`); code != http.StatusNoContent {
		t.Fatal(code)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ws.Query(over, "T_CL | where N > 0 | summarize count() by Name"); err == nil {
		t.Error("a query goes on when nobody waits for it")
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := s.ws.Query(late, "T_CL | count"); err == nil {
		t.Error("a query goes on when its time is up")
	}
	res := &Result{Columns: []kql.Column{{Name: "Name", Type: kql.String}}}
	prog, err := kql.Compile("source", kql.Options{Source: res.Columns})
	if err != nil {
		t.Fatal(err)
	}
	row := []byte(`{"Name":"` + strings.Repeat("x", 1<<20) + `"}`)
	m, n := prog.Runner(), 0
	for ; err == nil && n < 1000; n++ {
		err = res.add(m, row)
	}
	if err == nil || !strings.Contains(err.Error(), "64 MiB") || n > 65 {
		t.Errorf("after %d rows of a megabyte: %v", n, err)
	}
	for _, q := range []string{"T_CL | where " + strings.Repeat("(", 100_000), "T_CL | where " + strings.Repeat("not(", 50_000), "T_CL | where " + strings.Repeat("-", 200_000) + "1 > 0",
		"T_CL" + strings.Repeat(" | extend x = 1", 10_000), "T_CL | project " + strings.Repeat("x = strcat(", 20_000), "T_CL | top -1 by N", "T_CL | take -1", "T_CL | sort by ,N", "T_CL | summarize by ,", "T_CL | distinct "} {
		if _, err := s.ws.Query(t.Context(), q); err == nil && !strings.Contains(q, "extend") && !strings.Contains(q, "distinct") {
			t.Errorf("%.40s is answered", q)
		}
	}
}

// TestRowsAreTheirOwnersOnly: also those in a file that was there before.
func TestRowsAreTheirOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := Open(path, []Table{{"T_CL", []kql.Column{{Name: "TimeGenerated", Type: kql.Datetime}}}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.insert(w.tables["T_CL"], []byte(`[{}]`)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	if rows, err := w.Latest("T_CL", 1); err != nil || len(rows) != 1 || !json.Valid(rows[0]) {
		t.Errorf("%s, %v", rows, err)
	}
}
