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
	"github.com/sluice-connectors/sluice/handler/workspace"
)

var columns = []kql.Column{{Name: "TimeGenerated", Type: kql.Datetime}, {Name: "Name", Type: kql.String}, {Name: "N", Type: kql.Int}, {Name: "D", Type: kql.Dynamic}}

// open starts a local workspace and a sink for its tables.
func open(t *testing.T) (*workspace.Workspace, *httptest.Server, map[string]logsingest.Rule) {
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
	rules := map[string]logsingest.Rule{}
	for _, r := range ws.Rules() {
		for _, s := range r.Streams {
			rules[s.Table] = logsingest.Rule{ID: r.ID, Stream: s.Name, Endpoint: srv.URL}
		}
	}
	return ws, srv, rules
}

func newSink(t *testing.T, rules map[string]logsingest.Rule) *logsingest.Sink {
	t.Helper()
	s, err := logsingest.New(rules, logsingest.None{}, cloud.AzurePublic, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func batch(table string, rows ...string) engine.Batch {
	return engine.Batch{Table: table, Rows: []byte("[" + strings.Join(rows, ",") + "]"), Count: len(rows)}
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
	wrong := newSink(t, map[string]logsingest.Rule{"T0_CL": {ID: "dcr-0", Stream: "Custom-T0_CL", Endpoint: srv.URL}})
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
	s := newSink(t, map[string]logsingest.Rule{"T_CL": {ID: "dcr-0", Stream: "Custom-T_CL", Endpoint: srv.URL}})
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
	s, err := logsingest.New(map[string]logsingest.Rule{"T_CL": {ID: "dcr-0", Stream: "s", Endpoint: srv.URL}}, logsingest.None{}, cloud.AzurePublic, nil)
	if err != nil {
		b.Fatal(err)
	}
	var rows bytes.Buffer
	for i := 0; rows.Len() < engine.MaxBatch-300; i++ {
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
