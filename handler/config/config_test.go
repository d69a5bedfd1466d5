package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const good = `
workspace:
  endpoint: https://x.ingest.monitor.azure.com
  rules: {OktaV2_CL: {id: dcr-1, stream: Custom-OktaV2_CL}}
connections:
  - connector: okta
    name: contoso
    settings: {domain: contoso.okta.com, api_token: "${env:TOKEN}"}
    start: -2d
`

func env(pairs ...string) Env {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestParse(t *testing.T) {
	c, err := Parse("sluice.yaml", []byte(good), connectors.Find, env("TOKEN", "s3cret"), now, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn := c.Connections[0]
	if conn.Name != "contoso" || conn.Settings["api_token"] != "s3cret" || !conn.Start.Equal(now.Add(-48*time.Hour)) || c.Store.Dir != ".sluice" || c.Workspace.Credential != "default" {
		t.Errorf("%+v", c)
	}
}

func TestSecretFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse("sluice.yaml", []byte(strings.Replace(good, "${env:TOKEN}", "${file:"+path+"}", 1)), connectors.Find, env(), now, nil)
	if err != nil || c.Connections[0].Settings["api_token"] != "from-file" {
		t.Errorf("%v", err)
	}
}

func TestMistakesNameThePlaceAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"literal secret":     {"${env:TOKEN}", "s3cret-value", `sluice.yaml:8:53: this is a secret: do not write it here, refer to it with ${env:NAME}`},
		"unset variable":     {"${env:TOKEN}", "${env:NOPE}", "the environment variable NOPE is not set"},
		"unknown key":        {"    start:", "    begin:", `sluice.yaml:9:5: unknown key "begin"`},
		"misspelt key":       {"endpoint:", "endpiont:", `sluice.yaml:3:3: unknown key "endpiont" (did you mean endpoint?)`},
		"unknown setting":    {"domain:", "domian:", `okta has no setting "domian" (did you mean domain?)`},
		"unknown connector":  {"connector: okta", "connector: otka", `there is no connector "otka" (did you mean okta?)`},
		"pattern":            {"contoso.okta.com", "https://contoso.okta.com", "the setting domain is"},
		"no rule":            {"OktaV2_CL: {", "Other_CL: {", "the table OktaV2_CL of contoso has no rule"},
		"bad start":          {"-2d", "tomorrow", `"tomorrow" is no time`},
		"unresolved vault":   {"${env:TOKEN}", "${env:KV}", "KV holds an unresolved Key Vault reference"},
		"credential":         {"  rules:", "  credential: defualt\n  rules:", `credential is "defualt", want default, managed_identity, client_secret, none (did you mean default?)`},
		"no YAML":            {"workspace:", "workspace: [", "sluice.yaml:"},
		"dir and container":  {"connections:", "store: {dir: x, container: y}\nconnections:", "not both"},
		"rule's endpoint":    {"  endpoint: https://x.ingest.monitor.azure.com\n  rules: {", "  rules: {Other_CL: {id: dcr-2, stream: s, endpoint: https://x.example}, ", "the rule of the table OktaV2_CL has no endpoint"},
		"quarantine":         {"connections:", "store: {dir: x, quarantine: https://a.example/q}\nconnections:", "goes with a container for checkpoints"},
		"cloud":              {"  rules:", "  cloud: AzureGov\n  rules:", `cloud is "AzureGov", want AzureCloud, AzureUSGovernment, AzureChinaCloud`},
		"required is absent": {"domain: contoso.okta.com, ", "", `the setting "domain" of okta is missing`},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		_, err := Parse("sluice.yaml", []byte(text), connectors.Find, env("TOKEN", "s3cret-value", "KV", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)"), now, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret-value") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	e := env("OKTA_DOMAIN", "contoso.okta.com", "OKTA_API_TOKEN", "x", "SLUICE_ENDPOINT", "https://x.example", "AzureWebJobsStorage__accountName", "acct",
		"SLUICE_RULES", `{"OktaV2_CL":{"id":"dcr-1","stream":"Custom-OktaV2_CL"}}`)
	c, err := FromEnv(all, e, now, nil)
	if err != nil || len(c.Connections) != 1 || c.Connections[0].Name != "okta" || c.Store.Container != "https://acct.blob.core.windows.net/sluice" {
		t.Fatalf("%+v, %v", c, err)
	}
	_, err = FromEnv(all, env("OKTA_DOMAIN", "contoso.okta.com", "SLUICE_ENDPOINT", "https://x.example"), now, nil)
	if err == nil || !strings.Contains(err.Error(), `app setting OKTA_API_TOKEN: the setting "api_token" of okta is missing`) {
		t.Errorf("half a connection: %v", err)
	}
	_, err = FromEnv(all, env("OKTA_DOMAIN", "contoso.okta.com", "OKTA_API_TOKEN", "@Microsoft.KeyVault(VaultName=v;SecretName=s)"), now, nil)
	if err == nil || !strings.Contains(err.Error(), "unresolved Key Vault reference") {
		t.Errorf("unresolved reference: %v", err)
	}
}

func TestParseStart(t *testing.T) {
	for in, want := range map[string]time.Time{
		"": now.Add(-24 * time.Hour), "-1h": now.Add(-time.Hour), "-90d": now.Add(-90 * 24 * time.Hour),
		"2026-03-01": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "2026-03-01T12:00:00+02:00": time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
	} {
		if got, err := ParseStart(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

// TestRulesHaveEndpoints: a connector's own setting adds rules, each with its endpoint;
// the cloud follows from these.
func TestRulesHaveEndpoints(t *testing.T) {
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	e := env("OKTA_DOMAIN", "contoso.okta.com", "OKTA_API_TOKEN", "x", "SLUICE_RULES", `{"SluiceHealth_CL":{"id":"dcr-1","stream":"s","endpoint":"https://h.usgovvirginia-1.ingest.monitor.azure.us"}}`,
		"OKTA_RULES", `{"OktaV2_CL":{"id":"dcr-2","stream":"Custom-OktaV2_CL","endpoint":"https://o.usgovvirginia-1.ingest.monitor.azure.us"}}`)
	c, err := FromEnv(all, e, now, nil)
	if err != nil || len(c.Workspace.Endpoints()) != 2 || c.Workspace.Cloud != "AzureUSGovernment" {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = FromEnv(all, env("OKTA_DOMAIN", "contoso.okta.com", "OKTA_API_TOKEN", "x", "OKTA_RULES", "[]"), now, nil)
	if err == nil || !strings.Contains(err.Error(), "app setting OKTA_RULES: want {") {
		t.Error(err)
	}
	c, err = Served(all, env("OKTA_DOMAIN", "contoso.okta.com", "SLACK_TOKEN", "x", "SLUICE_RULES", `{"SlackAuditV2_CL":{"id":"dcr-1","stream":"s","endpoint":"https://x.example"}}`), now)
	if err != nil || len(c.Connections) != 1 || c.Broken["okta"] == nil || !strings.Contains(c.Broken["okta"].Error(), "app setting OKTA_API_TOKEN") {
		t.Errorf("%+v, %v", c, err)
	}
}
