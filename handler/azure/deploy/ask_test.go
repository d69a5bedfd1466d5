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
		{"AzureCloud", `{"plan":"Analytics","changed":"2026-11-08T10:00:00.37"}`, "Basic", "true the plan of T_CL was changed on 2026-11-08"},
		{"AzureCloud", `{"plan":"Analytics","changed":"Sun, 08 Nov 2026 10:00:00 GMT"}`, "Basic", "true the plan of T_CL was changed on 2026-11-08"},
		{"AzureCloud", `{"plan":"Analytics","changed":"Mon, 01 Nov 2021 16:38:01 GMT"}`, "Auxiliary", "true T_CL is there with the plan Analytics, and cannot become Auxiliary"},
		{"AzureCloud", `{"plan":"Analytics","changed":"lately"}`, "Basic", "false T_CL changes"},
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

// TestProvidersAreComparedWithoutCase: az writes microsoft.insights, and the template
// Microsoft.Insights.
func TestProvidersAreComparedWithoutCase(t *testing.T) {
	p := &Plan{Resources: []Planned{{Type: "Microsoft.Insights/dataCollectionRules", Subscription: "s"}, {Type: "Microsoft.Web/sites", Subscription: "s"}}}
	a := &asking{c: fakeAz(t, `[{"namespace":"microsoft.insights","registrationState":"Registered"},{"namespace":"Microsoft.Web","registrationState":"Registering"}]`), p: p, o: &Options{}}
	a.providers(t.Context())
	if len(p.Findings) != 1 || !strings.HasPrefix(p.Findings[0].What, "Microsoft.Web is not registered") || p.Findings[0].Fatal {
		t.Errorf("%+v", p.Findings)
	}
}

// TestWhatSaysNothingOfTheDeployment: who may not ask, and an Azure that is too busy, are no
// refusals.
func TestWhatSaysNothingOfTheDeployment(t *testing.T) {
	for text, want := range map[string]bool{
		"(AuthorizationFailed) ... to perform action 'Microsoft.Resources/deployments/validate/action' over scope": true,
		`{"error":{"code":"GatewayTimeout","message":"The gateway did not receive a response"}}`:                   true,
		"(SubscriptionRequestsThrottled) Please try again after '6' seconds":                                       true,
		"(AuthorizationFailed) ... to perform action 'Microsoft.Authorization/roleAssignments/write'":              false,
		"(InvalidTemplateDeployment) ... (RequestDisallowedByPolicy)":                                              false,
	} {
		if got := notAnswered.MatchString(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
