package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/azure/doctor"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
)

// checkup runs doctor over a configuration and returns what it found.
func checkup(t *testing.T, yaml string) ([]doctor.Check, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	verdict := examine(t.Context(), &stdio{out: &out}, path, "json")
	var checks []doctor.Check
	if err := json.Unmarshal(out.Bytes(), &checks); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	if strings.Contains(out.String(), "canary-42") {
		t.Errorf("a secret is shown: %s", &out)
	}
	return checks, verdict
}

// has reports whether a check ended so.
func has(checks []doctor.Check, what string, status doctor.Status, text string) bool {
	for _, c := range checks {
		if c.What == what && c.Status == status && strings.Contains(c.Subject+" "+c.Found+" "+c.Do, text) {
			return true
		}
	}
	return false
}

// TestDoctorNamesEachPlaceOfTheStore, whether it works or not.
func TestDoctorNamesEachPlaceOfTheStore(t *testing.T) {
	places := config.Store{Container: "https://a.example/sluice", Quarantine: "https://a.example/quarantine"}
	for _, broken := range []bool{false, true} {
		x, want := &examination{}, doctor.OK
		var s engine.Store = memory.NewStore()
		if broken {
			s, want = refusing{s}, doctor.Fail
		}
		x.store(t.Context(), s, places)
		for i, at := range []string{places.Container, places.Quarantine} {
			if c := x.checks[i]; c.Status != want || !strings.HasSuffix(c.Subject+" "+c.Found, at) && !strings.Contains(c.Subject, " in "+at) {
				t.Errorf("%+v, want %s", c, at)
			}
		}
	}
}

type refusing struct{ engine.Store }

func (refusing) Put(context.Context, string, []byte) error { return errors.New("refused") }

// TestDoctorFindsFunctionsWithoutASchedule: only those whose setting has no value.
func TestDoctorFindsFunctionsWithoutASchedule(t *testing.T) {
	x := &examination{}
	env := map[string]string{"OKTA_SCHEDULE": "0 */5 * * * *"}
	x.schedules(filepath.Join("..", "..", "functions"), func(name string) string { return env[name] })
	if len(x.checks) != 1 || !strings.Contains(x.checks[0].Subject, "cisco_duo, ") || strings.Contains(x.checks[0].Subject, "okta") || !strings.Contains(x.checks[0].Found, "WIZ_SCHEDULE") {
		t.Errorf("%+v", x.checks)
	}
	x = &examination{}
	x.schedules("", nil)
	x.schedules(filepath.Join("..", "..", "functions"), func(string) string { return "0 0 * * * *" })
	if len(x.checks) != 0 {
		t.Errorf("%+v", x.checks)
	}
}

// TestDoctorWithAManagedIdentity: the identity is asked as in App Service; a role that
// is missing and a store that cannot be written are found, with what to do.
func TestDoctorWithAManagedIdentity(t *testing.T) {
	s := surround(t)
	t.Setenv("IDENTITY_ENDPOINT", s.endpoint+"/msi/token")
	t.Setenv("TOKEN", "canary-42")
	store := t.TempDir()
	yaml := fmt.Sprintf(`
workspace: {endpoint: %q, credential: managed_identity, id: local, query: %q, rules: %s}
store: {dir: %q}
connections: [{connector: okta, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}}]
`, s.endpoint, s.endpoint, s.rules, store, s.provider.URL)
	t.Setenv("IDENTITY_HEADER", "wrong")
	checks, err := checkup(t, yaml)
	if err == nil || !has(checks, "identity", doctor.Fail, "AZURE_CLIENT_ID") || has(checks, "role", doctor.Fail, "") {
		t.Errorf("no identity: %v: %+v", err, checks)
	}

	t.Setenv("IDENTITY_HEADER", s.ws.IdentityHeader())
	checks, err = checkup(t, yaml)
	if err != nil || !has(checks, "identity", doctor.OK, "managed_identity") || !has(checks, "role", doctor.OK, "OktaV2_CL") || !has(checks, "table", doctor.OK, "OktaV2_CL") {
		t.Fatalf("%v: %+v", err, checks)
	}

	for _, r := range s.ws.Rules() {
		s.ws.Deny(r.ID, true)
	}
	checks, err = checkup(t, yaml)
	if err == nil || !has(checks, "role", doctor.Fail, "give the identity the role Monitoring Metrics Publisher on the data collection rule dcr-") {
		t.Errorf("no role: %v: %+v", err, checks)
	}

	if checks, err = checkup(t, "workspace: {endpoint: 7}\nconections: []\n"); err == nil || !has(checks, "settings", doctor.Fail, `unknown key "conections" (did you mean connections?)`) {
		t.Errorf("no settings: %v: %+v", err, checks)
	}
}
