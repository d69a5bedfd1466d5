package cli

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestReconcileFindsWhatTheServiceDropped: rows that the service acknowledged
// and lost all the same are named, one by one.
func TestReconcileFindsWhatTheServiceDropped(t *testing.T) {
	s := surround(t)
	target, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	calls := 0
	var dropped []string
	dropping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "Custom-OktaV2_CL") {
			if calls++; calls%3 == 2 {
				gz, err := gzip.NewReader(r.Body)
				if err != nil {
					t.Error(err)
					return
				}
				var rows []struct{ EventUid string }
				if err := json.NewDecoder(gz).Decode(&rows); err != nil {
					t.Error(err)
				}
				for _, row := range rows {
					dropped = append(dropped, row.EventUid)
				}
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		forward.ServeHTTP(w, r)
	}))
	defer dropping.Close()
	a := s.app(t, dropping.URL, s.provider.URL)
	a.BatchBytes, a.InFlight = 60_000, 1
	rep := a.CollectAll(t.Context(), a.Connections(), time.Minute)[0]
	if rep.Outcome != engine.OK || len(dropped) == 0 {
		t.Fatalf("report %+v, %d rows dropped", rep, len(dropped))
	}
	table, err := a.ReadBack()
	if err != nil {
		t.Fatal(err)
	}
	stream := a.Connections()[0].Prepared[0]
	rec, err := a.Reconcile(t.Context(), stream, engine.Window{From: stream.Start, To: rep.Position}, table, nil)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, e := range rec.Missing {
		missing = append(missing, e.UID)
	}
	slices.Sort(dropped)
	slices.Sort(missing)
	if !slices.Equal(missing, dropped) || len(rec.Surplus) > 0 || rec.Arrived+len(missing) != rec.Listed {
		t.Errorf("%d rows were dropped, %d are missing: %+v", len(dropped), len(missing), rec)
	}
}
