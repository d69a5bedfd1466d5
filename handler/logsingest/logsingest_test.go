package logsingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/workspace"
)

var columns = []kql.Column{{Name: "TimeGenerated", Type: kql.Datetime}, {Name: "Name", Type: kql.String}, {Name: "N", Type: kql.Int}, {Name: "D", Type: kql.Dynamic}}

// open starts a local workspace and a sink for its tables.
func open(t *testing.T) (*workspace.Workspace, *httptest.Server, map[string]logsingest.CollectionRule) {
	t.Helper()
	var tables []workspace.Table
	for i := range 12 { // more than one rule can hold
		tables = append(tables, workspace.Table{Name: fmt.Sprintf("T%d_CL", i), Columns: columns})
	}
	ws, err := workspace.Open(":memory:", tables, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(ws.Handler())
	t.Cleanup(func() { srv.Close(); ws.Close() })
	rules := map[string]logsingest.CollectionRule{}
	for _, r := range ws.Rules() {
		for _, s := range r.Streams {
			rules[s.Table] = logsingest.CollectionRule{ID: r.ID, Stream: s.Name, Endpoint: srv.URL}
		}
	}
	return ws, srv, rules
}

func newSink(t *testing.T, rules map[string]logsingest.CollectionRule) *logsingest.Sink {
	t.Helper()
	s, err := logsingest.New(rules, logsingest.None{}, cloud.AzurePublic, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func batch(table string, rows ...string) engine.Batch {
	return engine.Batch{Table: table, Rows: []byte("[" + strings.Join(rows, ",") + "]"), Ends: make([]int, len(rows))}
}

func TestUploadReachesTheTableThroughItsRule(t *testing.T) {
	ws, _, rules := open(t)
	if rules["T0_CL"].ID == rules["T11_CL"].ID {
		t.Error("twelve tables share a rule, which can hold ten")
	}
	s := newSink(t, rules)
	for _, table := range []string{"T0_CL", "T11_CL"} {
		if err := s.Upload(t.Context(), batch(table, `{"Name":"a"}`, `{"Name":"b"}`)); err != nil {
			t.Fatal(err)
		}
		if n, err := ws.Count(table); err != nil || n != 2 {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
	if s.Has("Other_CL") || !s.Has("T3_CL") {
		t.Error("Has is wrong")
	}
}

// TestUploadWithAManagedIdentity takes its token as in App Service, from the
// local workspace's identity endpoint, through azidentity.
func TestUploadWithAManagedIdentity(t *testing.T) {
	ws, srv, rules := open(t)
	t.Setenv("IDENTITY_ENDPOINT", srv.URL+"/msi/token")
	upload := func(header string) error {
		t.Setenv("IDENTITY_HEADER", header)
		cred, err := azidentity.NewManagedIdentityCredential(nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := logsingest.New(rules, cred, cloud.AzurePublic, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Upload(t.Context(), batch("T1_CL", `{"Name":"a"}`))
	}
	wantError(t, upload("wrong"), engine.Auth, "no_azure_token", "check the identity")
	if err := upload(ws.IdentityHeader()); err != nil {
		t.Fatal(err)
	}
	if n, err := ws.Count("T1_CL"); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func wantError(t *testing.T, err error, kind engine.Kind, reason, text string) *engine.Error {
	t.Helper()
	var e *engine.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Reason != reason || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v (%+v), want %s %s: …%s…", err, e, kind, reason, text)
	}
	return e
}

func TestErrorsSayWhatToDo(t *testing.T) {
	ws, srv, rules := open(t)
	s := newSink(t, rules)
	big := `{"Name":"` + strings.Repeat("x", 1<<20) + `"}`
	wantError(t, s.Upload(t.Context(), batch("T0_CL", big)), engine.Rejected, "rejected_413", "")
	wantError(t, s.Upload(t.Context(), batch("T0_CL", `"no object"`)), engine.Rejected, "rejected_400", "")
	wantError(t, s.Upload(t.Context(), batch("Other_CL", `{}`)), engine.Permanent, "no_rule", "add it below workspace: rules:")
	ws.Deny(rules["T0_CL"].ID, true)
	wantError(t, s.Upload(t.Context(), batch("T0_CL", `{}`)), engine.Auth, "dcr_role_missing", "Monitoring Metrics Publisher")
	wrong := newSink(t, map[string]logsingest.CollectionRule{"T0_CL": {ID: "dcr-0", Stream: "Custom-T0_CL", Endpoint: srv.URL}})
	wantError(t, wrong.Upload(t.Context(), batch("T0_CL", `{}`)), engine.Permanent, "rule_not_found", "the table has to exist before the rule")
	srv.Close()
	wantError(t, s.Upload(t.Context(), batch("T1_CL", `{}`)), engine.Transient, "ingestion_unreachable", "check the endpoint")
}

func TestRetryAfterIsHandedOnHoweverLong(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Retry-After", "900")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer srv.Close()
	s := newSink(t, map[string]logsingest.CollectionRule{"T_CL": {ID: "dcr-0", Stream: "Custom-T_CL", Endpoint: srv.URL}})
	e := wantError(t, s.Upload(t.Context(), batch("T_CL", `{}`)), engine.Throttled, "ingestion_throttled", "")
	if e.Wait != 15*time.Minute {
		t.Errorf("wait %s", e.Wait)
	}
}

func BenchmarkUpload(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	s, err := logsingest.New(map[string]logsingest.CollectionRule{"T_CL": {ID: "dcr-0", Stream: "s", Endpoint: srv.URL}}, logsingest.None{}, cloud.AzurePublic, nil)
	if err != nil {
		b.Fatal(err)
	}
	var rows bytes.Buffer
	for i := 0; rows.Len() < sentinel.MaxBatch-300; i++ {
		fmt.Fprintf(&rows, `,{"EventUid":"%08x","SrcIpAddr":"198.51.%d.%d","ActorUsername":"user%d@contoso.example","EventOriginalType":"user.session.start"}`, i*2654435761, i%256, i/256%256, i%500)
	}
	body := append(append([]byte{'['}, rows.Bytes()[1:]...), ']')
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Upload(context.Background(), engine.Batch{Table: "T_CL", Rows: body}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestARedirectIsNotFollowed: rows and the token go to the endpoint only.
func TestARedirectIsNotFollowed(t *testing.T) {
	visits := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits++
		w.WriteHeader(http.StatusNoContent)
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/login?x=1", status)
		}))
		s := newSink(t, map[string]logsingest.CollectionRule{"T_CL": {ID: "dcr-0", Stream: "Custom-T_CL", Endpoint: srv.URL}})
		wantError(t, s.Upload(t.Context(), batch("T_CL", `{}`)), engine.Permanent, "sink_redirected", "leads to "+elsewhere.URL+"; nothing was sent there")
		srv.Close()
	}
	if visits > 0 {
		t.Errorf("%d requests were sent on", visits)
	}
}

// TestAClockThatIsAheadOfTheService stops runs, be there rows to send or none.
func TestAClockThatIsAheadOfTheService(t *testing.T) {
	for name, x := range map[string]struct {
		ahead time.Duration
		age   string
		wrong bool
	}{
		"as it should be": {ahead: time.Minute},
		"behind":          {ahead: -time.Hour},
		"ahead":           {ahead: 10 * time.Minute, wrong: true},
		"an old answer":   {ahead: 10 * time.Minute, age: "600"},
	} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			asked++
			if w.Header().Set("Date", time.Now().Add(-x.ahead).UTC().Format(http.TimeFormat)); x.age != "" {
				w.Header().Set("Age", x.age)
			}
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		for what, use := range map[string]func(*logsingest.Sink) error{
			"asked":  func(s *logsingest.Sink) error { return s.CheckClock(t.Context()) },
			"upload": func(s *logsingest.Sink) error { return s.Upload(t.Context(), batch("T_CL", `{}`)) },
		} {
			s := newSink(t, map[string]logsingest.CollectionRule{"T_CL": {ID: "dcr-0", Stream: "Custom-T_CL", Endpoint: srv.URL}})
			asked = 0
			for range 3 {
				if err := use(s); x.wrong {
					wantError(t, err, engine.Permanent, "clock_wrong", "ahead of 127.0.0.1")
				} else if err != nil {
					t.Errorf("%s, %s: %v", name, what, err)
				}
			}
			if what == "asked" && asked != 1 && x.age == "" {
				t.Errorf("%s: asked %d times what time it is", name, asked)
			}
			if err := s.CheckClock(t.Context()); (err != nil) != x.wrong || what == "upload" && x.age == "" && asked != 3 {
				t.Errorf("%s, %s: afterwards %v, asked %d times", name, what, err, asked)
			}
		}
		srv.Close()
	}
	s := newSink(t, map[string]logsingest.CollectionRule{"T_CL": {ID: "dcr-0", Stream: "Custom-T_CL", Endpoint: "http://127.0.0.1:1"}})
	if err := s.CheckClock(t.Context()); err != nil {
		t.Errorf("where nobody is: %v", err)
	}
}

func TestRetryAfterThatCannotBeMeant(t *testing.T) {
	for header, want := range map[string]time.Duration{"-1": 0, "NaN": 0, "soon": 0, "": 0, "1.5": 1500 * time.Millisecond, "1e300": 24 * time.Hour, "Tue, 22 Nov 2050 12:00:00 GMT": 24 * time.Hour} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		s := newSink(t, map[string]logsingest.CollectionRule{"T_CL": {ID: "dcr-0", Stream: "Custom-T_CL", Endpoint: srv.URL}})
		if e := wantError(t, s.Upload(t.Context(), batch("T_CL", `{}`)), engine.Throttled, "ingestion_throttled", ""); e.Wait != want {
			t.Errorf("%q: %s, want %s", header, e.Wait, want)
		}
		srv.Close()
	}
}
