package deploy

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fakeAz answers every call with a text.
func fakeAz(t *testing.T, text string) *CLI {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("az is a shell script here")
	}
	path := filepath.Join(t.TempDir(), "az")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncat <<'END'\n"+text+"\nEND\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &CLI{path, io.Discard}
}

// TestPlansOfTables: what a table that exists can become, in which cloud and when.
func TestPlansOfTables(t *testing.T) {
	now := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	for _, x := range []struct{ cloud, is, want, finding string }{
		{"AzureCloud", `{"plan":"Analytics"}`, "Analytics", ""},
		{"AzureCloud", `{"plan":"Analytics","changed":"2026-11-08T10:00:00Z"}`, "Basic", "true the plan of T_CL was changed on 2026-11-08, and can be once a week"},
		{"AzureCloud", `{"plan":"Basic","changed":"2026-10-08T10:00:00Z"}`, "Analytics", "false T_CL changes from the plan Basic to Analytics"},
		{"AzureCloud", `{"plan":"Analytics","changed":null}`, "Basic", "false T_CL changes"},
		{"AzureCloud", `{"plan":"Auxiliary"}`, "Analytics", "true T_CL is there with the plan Auxiliary, and cannot become Analytics"},
		{"AzureChinaCloud", `{}`, "Auxiliary", "true the plan Auxiliary is not there in AzureChinaCloud"},
		{"AzureCloud", `nonsense`, "Basic", "false which plan T_CL has could not be asked"},
	} {
		p := &Plan{Account: Account{Cloud: x.cloud}}
		a := &asking{now: func() time.Time { return now }, c: fakeAz(t, x.is), p: p, o: &Options{Parameters: map[string]any{"tables": map[string]any{"T_CL": map[string]any{"plan": x.want}, "U_CL": map[string]any{}}}}}
		a.tables(t.Context())
		got := ""
		for _, f := range p.Findings {
			got += map[bool]string{true: "true ", false: "false "}[f.Fatal] + f.String()
		}
		if (got == "") != (x.finding == "") || !strings.HasPrefix(got, x.finding) {
			t.Errorf("%+v: %s", x, got)
		}
	}
}
