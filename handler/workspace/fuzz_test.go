package workspace

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/kql"
)

func fuzzed(f *testing.F) *Workspace {
	cols := []kql.Column{{Name: "TimeGenerated", Type: kql.Datetime}, {Name: "Text", Type: kql.String}, {Name: "N", Type: kql.Long}, {Name: "Any", Type: kql.Dynamic}}
	w, err := Open(":memory:", []Table{{Name: "T_CL", Columns: cols}}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { w.Close() })
	return w
}

// FuzzIngest: whatever is sent, it is taken as a whole or refused.
func FuzzIngest(f *testing.F) {
	w := fuzzed(f)
	for _, s := range []string{`[{"Text":"a","N":1}]`, `[]`, `[{}]`, `[{"N":"x"},{"Any":{"a":[1]}}]`, `[1]`, `{`, ``, `[{"Text":"\ud800"}]`, "[{\"Text\":\"\x00\"}]", `[{"TimeGenerated":"0001-01-01"}]`} {
		f.Add([]byte(s), false)
	}
	f.Add([]byte("\x1f\x8b"), true)
	f.Fuzz(func(t *testing.T, body []byte, zipped bool) {
		before, err := w.Count("T_CL")
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/dataCollectionRules/"+w.Rules()[0].ID+"/streams/Custom-T_CL", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer none")
		req.Header.Set("Content-Type", "application/json")
		if zipped {
			req.Header.Set("Content-Encoding", "gzip")
		}
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, req)
		after, err := w.Count("T_CL")
		if err != nil {
			t.Fatal(err)
		}
		switch rec.Code {
		case http.StatusNoContent:
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if after != before {
				t.Errorf("%q was refused, and %d rows were taken", body, after-before)
			}
		default:
			t.Errorf("%q: %d %s", body, rec.Code, rec.Body)
		}
	})
}

// FuzzQuery: whatever is asked, there is an answer or an error.
func FuzzQuery(f *testing.F) {
	w := fuzzed(f)
	for _, s := range []string{"T_CL", "T_CL | count", "T_CL | where N > 1 | summarize n = count() by Text | sort by n", "T_CL | top 3 by N asc", "T_CL | distinct Text", "T_CL | summarize max(N), dcount(Text)", "T_CL |", "| |", "", "T_CL | summarize", "T_CL | where Text == '|'", "T_CL | top x by", "T_CL | sort by"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		if res, err := w.Query(t.Context(), q); err == nil && res == nil {
			t.Errorf("%q: neither an answer nor an error", q)
		}
	})
}
