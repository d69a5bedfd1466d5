package logsquery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/logsquery"
)

var at = regexp.MustCompile(`At >= datetime\(([^)]*)\) and At < datetime\(([^)]*)\)`)

// TestTooManyRowsAreAskedForInHalves: an answer that is cut, which the API gives
// with status 200, is never taken for the whole.
func TestTooManyRowsAreAskedForInHalves(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		var in struct{ Query string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/v1/workspaces/w%20s/query" && r.URL.Path != "/v1/workspaces/w s/query" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		m := at.FindStringSubmatch(in.Query)
		if m == nil || !strings.Contains(in.Query, `SluiceConnection == "con\"toso"`) {
			t.Fatalf("query: %s", in.Query)
		}
		from, _ := time.Parse(time.RFC3339, m[1])
		to, _ := time.Parse(time.RFC3339, m[2])
		w.Header().Set("Content-Type", "application/json")
		if to.Sub(from) > time.Hour {
			_, _ = w.Write([]byte(`{"tables":[{"name":"PrimaryResult","columns":[],"rows":[["cut",1]]}],"error":{"code":"PartialError","message":"too large"}}`))
			return
		}
		fmt.Fprintf(w, `{"tables":[{"name":"PrimaryResult","columns":[],"rows":[[%q,1],["in all",2]]}]}`, m[1])
	}))
	defer srv.Close()
	c, err := logsquery.New(srv.URL, "w s", logsingest.None{})
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	events, err := c.Events(t.Context(), "T_CL", `con"toso`, engine.Window{From: from, To: from.Add(4 * time.Hour)})
	if err != nil || len(events) != 5 || events["in all"] != 8 || events["cut"] != 0 || asked != 7 {
		t.Errorf("%d questions: %v, %v", asked, events, err)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	for status, hint := range map[int]string{403: "Log Analytics Reader", 404: "GUID", 400: "semantic"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"code":"BadArgumentError","message":"semantic error"}}`))
		}))
		c, err := logsquery.New(srv.URL, "w", logsingest.None{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Have(t.Context(), "T_CL", "c", []string{"1"})
		var e *engine.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
}
