package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/spec"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const good = `
workspace:
  endpoint: https://x.ingest.monitor.azure.com
  rules: {OktaV2_CL: {id: dcr-00000000000000000000000000000001, stream: Custom-OktaV2_CL}}
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

// parse reads a sluice.yaml and returns all that is wrong with it.
func parse(text string, env Env) (*Config, error) {
	c, err := Parse("sluice.yaml", []byte(text), in, env, now, nil)
	if err == nil {
		err = c.Err()
	}
	return c, err
}

func TestParse(t *testing.T) {
	c, err := parse(good, env("TOKEN", "s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	conn := c.Connections[0]
	if conn.Name != "contoso" || conn.Settings["api_token"] != "s3cret" || !conn.Start.Equal(now.Add(-48*time.Hour)) || c.Store.Dir != ".sluice" || c.Workspace.Credential != "default" {
		t.Errorf("%+v", c)
	}
}

// TestAddressesThatAreRight: what people have in their files.
func TestAddressesThatAreRight(t *testing.T) {
	for _, store := range []string{"{dir: ./x.y/.sluice}", "{dir: /mnt/c/store}", `{dir: 'C:/sluice'}`, "{container: https://acct.blob.core.windows.net/sluice}", "{container: https://acct.blob.core.windows.net/sluice/}",
		"{container: http://127.0.0.1:10000/devstoreaccount1/sluice}", `{container: sluice, connection_string: "${env:TOKEN}"}`,
		"{container: https://acct.blob.core.usgovcloudapi.net/sluice, quarantine: https://acct.blob.core.usgovcloudapi.net/quarantine}"} {
		if _, err := parse(strings.Replace(good, "connections:", "store: "+store+"\nconnections:", 1), env("TOKEN", "x")); err != nil {
			t.Errorf("%s: %v", store, err)
		}
	}
	for _, endpoint := range []string{"https://x-y.westeurope-1.ingest.monitor.azure.com/", "http://127.0.0.1:8421", "http://localhost:1", "https://127.0.0.1"} {
		if _, err := parse(strings.Replace(good, "https://x.ingest.monitor.azure.com", endpoint, 1), env("TOKEN", "x")); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestMistakesNameThePlaceAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"literal secret":     {"${env:TOKEN}", "s3cret-value", `sluice.yaml:8:53: api_token: this is a secret: do not write it here, refer to it with ${env:NAME}`},
		"unset variable":     {"${env:TOKEN}", "${env:NOPE}", "sluice.yaml:8:53: api_token: the environment variable NOPE is not set"},
		"empty variable":     {"${env:TOKEN}", "${env:EMPTY}", "the environment variable EMPTY is empty"},
		"part of a value":    {"domain: contoso.okta.com", `domain: "${env:TENANT}.okta.com"`, "sluice.yaml:8:24: domain: a reference is the whole value"},
		"unknown key":        {"    start:", "    begin:", `sluice.yaml:9:5: unknown key "begin"`},
		"misspelt key":       {"endpoint:", "endpiont:", `sluice.yaml:3:3: unknown key "endpiont" (did you mean endpoint?)`},
		"unknown setting":    {"domain:", "domian:", `okta has no setting "domian" (did you mean domain?)`},
		"unknown connector":  {"connector: okta", "connector: otka", `sluice.yaml:6:5: there is no connector "otka" (did you mean okta?)`},
		"no such file":       {"connector: okta", "connector: ./nope.yaml", `sluice.yaml:6:5: connector: open ./nope.yaml`},
		"pattern":            {"contoso.okta.com", "https://contoso.okta.com", "the setting domain is"},
		"no rule":            {"OktaV2_CL: {", "Other_CL: {", "the table OktaV2_CL of contoso has no rule"},
		"bad start":          {"-2d", "tomorrow", `sluice.yaml:9:5: start: "tomorrow" is no time`},
		"start without":      {"-2d", "24h", `"24h" has no minus in front: write -24h`},
		"start ahead":        {"-2d", "+1d", `"+1d" has no minus in front: write -1d`},
		"future start":       {"-2d", "2036-01-01", "sluice.yaml:9:5: start: 2036-01-01 is in the future"},
		"start later today":  {"-2d", "2026-11-22T12:00:01Z", "is in the future"},
		"schedule":           {"start: -2d", "schedule: often", `sluice.yaml:9:5: schedule "often"`},
		"never":              {"start: -2d", `schedule: "0 0 0 31 2 *"`, `schedule "0 0 0 31 2 *" never comes`},
		"base_url":           {"start: -2d", "base_url: contoso.okta.com", `sluice.yaml:9:5: base_url: "contoso.okta.com" has to be a scheme, a host and perhaps a path`},
		"plain base_url":     {"start: -2d", "base_url: http://contoso.okta.com", "would send credentials unencrypted"},
		"unresolved vault":   {"${env:TOKEN}", "${env:KV}", "KV holds an unresolved Key Vault reference"},
		"credential":         {"  rules:", "  credential: defualt\n  rules:", `credential is "defualt", want default, managed_identity, client_secret, none (did you mean default?)`},
		"none is for here":   {"  rules:", "  credential: none\n  rules:", "sluice.yaml:4:3: credential: none is for a workspace on this machine only"},
		"no YAML":            {"workspace:", "workspace: [", "sluice.yaml:"},
		"cloud":              {"  rules:", "  cloud: AzureGov\n  rules:", `cloud is "AzureGov", want AzureCloud, AzureUSGovernment, AzureChinaCloud`},
		"workspace's id":     {"  rules:", "  id: contoso\n  rules:", `sluice.yaml:4:3: id: "contoso" is no GUID`},
		"query":              {"  rules:", "  query: api.loganalytics.io\n  rules:", `sluice.yaml:4:3: query: "api.loganalytics.io" has to be a scheme`},
		"required is absent": {"domain: contoso.okta.com, ", "", `the setting "domain" of okta is missing`},
		"twice":              {"connections:", "connections:\n  - {connector: okta, name: contoso, settings: {domain: b.okta.com, api_token: \"${env:TOKEN}\"}}", `sluice.yaml:6:5: the connection "contoso" is there twice`},

		"endpoint without https": {"https://x.ingest.monitor.azure.com", "x.ingest.monitor.azure.com", "sluice.yaml:3:3: \"x.ingest.monitor.azure.com\" has to be a scheme, a host and perhaps a path; it is the logs ingestion endpoint"},
		"endpoint, plain":        {"https://x.ingest.monitor.azure.com", "http://x.ingest.monitor.azure.com", "would send credentials unencrypted"},
		"endpoint with a path":   {"https://x.ingest.monitor.azure.com", "https://x.ingest.monitor.azure.com/dataCollectionRules/dcr-1", "has a path behind its host"},
		"endpoint, a template":   {"https://x.ingest.monitor.azure.com", "https://….ingest.monitor.azure.com", "is no name of a host"},
		"rule's endpoint":        {"  endpoint: https://x.ingest.monitor.azure.com\n", "", "sluice.yaml:2:1: the endpoint that rows are sent to is missing"},
		"rule without endpoint":  {"  endpoint: https://x.ingest.monitor.azure.com\n  rules: {", "  rules: {Other_CL: {id: dcr-00000000000000000000000000000002, stream: Custom-s, endpoint: https://x.example}, ", "the rule of the table OktaV2_CL has no endpoint"},
		"rule's id":              {"dcr-00000000000000000000000000000001", "dcr-1", `sluice.yaml:4:23: the id of the rule of the table OktaV2_CL is "dcr-1": want its immutableId, dcr- and 32 hexadecimal digits`},
		"rule's resource id":     {"dcr-00000000000000000000000000000001", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/dataCollectionRules/r", "is a resource ID: want the rule's immutableId"},
		"rule's stream":          {"Custom-OktaV2_CL", "OktaV2_CL", `the stream of the table OktaV2_CL is "OktaV2_CL": want the rule's name for what it takes, such as Custom-OktaV2_CL`},

		"dir and container":       {"connections:", "store: {dir: x, container: y}\nconnections:", "not both"},
		"quarantine":              {"connections:", "store: {dir: x, quarantine: https://a.example/q}\nconnections:", "goes with a container for checkpoints"},
		"a URL is no folder":      {"connections:", "store: {dir: \"https://acct.blob.core.windows.net/x\"}\nconnections:", "sluice.yaml:5:9: dir: \"https://acct.blob.core.windows.net/x\" is the address of a store and no folder"},
		"a host is no folder":     {"connections:", "store: {dir: acct.blob.core.windows.net/x}\nconnections:", "is the address of a store and no folder"},
		"half a URL is no folder": {"connections:", "store: {dir: \"https:/acct.example/x\"}\nconnections:", "is the address of a store and no folder"},
		"a folder by reference":   {"connections:", "store: {dir: \"${env:NOPE}\"}\nconnections:", "sluice.yaml:5:9: dir: the environment variable NOPE is not set"},
		"other stores":            {"connections:", "store: {dir: \"abfss://c@acct.dfs.core.windows.net/x\"}\nconnections:", "is the address of a store and no folder"},
		"a secret is no folder":   {"connections:", "store: {dir: \"AccountName=acct;AccountKey=s3cret-value\"}\nconnections:", `"AccountName=acct…" is the address of a store and no folder`},
		"no container":            {"connections:", "store: {container: \"https://acct.blob.core.windows.net\"}\nconnections:", "names no container"},
		"below a container":       {"connections:", "store: {container: \"https://acct.blob.core.windows.net/sluice/prod\"}\nconnections:", "names no container"},
		"container's name":        {"connections:", "store: {container: \"https://acct.blob.core.windows.net/Sluice_1\"}\nconnections:", "names no container"},
		"only a name":             {"connections:", "store: {container: sluice}\nconnections:", "want the URL of a container"},
		"container, plain":        {"connections:", "store: {container: \"http://acct.blob.core.windows.net/sluice\"}\nconnections:", "would send credentials unencrypted"},
		"signature":               {"connections:", "store: {container: \"https://acct.blob.core.windows.net/sluice?sig=s3cret-value\"}\nconnections:", "has a query"},
		"URL with a string":       {"connections:", "store: {container: \"https://acct.blob.core.windows.net/sluice\", connection_string: \"${env:TOKEN}\"}\nconnections:", "with a connection_string it is the container's name"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		_, err := parse(text, env("TOKEN", "s3cret-value", "EMPTY", "\n", "TENANT", "x", "KV", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret-value") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// TestABrokenConnectionStopsNoOther: whatever is wrong with one of two connections of
// the same connector, the other one is complete.
func TestABrokenConnectionStopsNoOther(t *testing.T) {
	own := filepath.Join(t.TempDir(), "connector.yaml")
	if err := os.WriteFile(own, []byte("name: acme\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ conn, want string }{
		"secret":     {`{connector: okta, name: b, settings: {domain: b.okta.com, api_token: "${env:NOPE}"}}`, "NOPE is not set"},
		"file":       {`{connector: okta, name: b, settings: {domain: b.okta.com, api_token: "${file:/no/such}"}}`, "/no/such"},
		"setting":    {`{connector: okta, name: b, settings: {domian: b.okta.com, api_token: "${env:TOKEN}"}}`, "domian"},
		"pattern":    {`{connector: okta, name: b, settings: {domain: "b c", api_token: "${env:TOKEN}"}}`, "has to match"},
		"connector":  {`{connector: otka, name: b}`, "otka"},
		"own":        {`{connector: ` + own + `, name: b}`, "connector.yaml:1:1"},
		"start":      {`{connector: okta, name: b, start: 24h, settings: {domain: b.okta.com, api_token: "${env:TOKEN}"}}`, "minus"},
		"schedule":   {`{connector: okta, name: b, schedule: x, settings: {domain: b.okta.com, api_token: "${env:TOKEN}"}}`, "schedule"},
		"key":        {`{connector: okta, name: b, begin: -1h, settings: {domain: b.okta.com, api_token: "${env:TOKEN}"}}`, "unknown key \"begin\""},
		"same key":   {`{connector: okta, name: b, name: c, settings: {domain: b.okta.com, api_token: "${env:TOKEN}"}}`, "is there twice"},
		"kind":       {`{connector: okta, name: b, settings: [domain]}`, "want keys and values"},
		"no one's":   {`{name: b, settings: {token: "${env:TOKEN}"}} # connector:`, "the key \"connector\" is missing"},
		"name":       {`{connector: okta, name: "B B", settings: {domain: b.okta.com, api_token: "${env:TOKEN}"}}`, "B B"},
		"rule":       {`{connector: slack, name: b, settings: {token: "${env:TOKEN}"}}`, "SlackAuditV2_CL of b has no rule"},
		"two of one": {`{connector: okta, name: b, settings: {domain: b.okta.com, api_token: "${env:TOKEN}"}}` + "\n  - " + `{connector: okta, name: b, settings: {domain: c.okta.com, api_token: "${env:TOKEN}"}}`, "twice"},
	} {
		got, err := Parse("sluice.yaml", []byte(good+"  - "+c.conn+"\n"), in, env("TOKEN", "x"), now, nil)
		if err != nil || len(got.Connections) != 1 || got.Connections[0].Name != "contoso" || got.Connections[0].At != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if len(got.Broken) != strings.Count(c.conn, "connector:") || got.Broken[0].At != 1 || !strings.Contains(got.Broken[0].Err.Error(), c.want) {
			t.Errorf("%s: %+v", name, got.Broken)
		}
	}
}

// environ are app settings, as a process has them.
func environ(pairs ...string) (list []string) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pairs[i]+"="+pairs[i+1])
	}
	return list
}

func all(t *testing.T) []*spec.Connector {
	t.Helper()
	all, err := connectors.Outlines()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// settled are app settings that are right; pairs add to them, or replace one.
func settled(pairs ...string) []string {
	return environ(append([]string{"OKTA_DOMAIN", "contoso.okta.com", "OKTA_API_TOKEN", "s3cret-value", "SLUICE_ENDPOINT", "https://x.example", "AzureWebJobsStorage__accountName", "acct",
		"SLUICE_RULES", `{"OktaV2_CL":{"id":"dcr-00000000000000000000000000000001","stream":"Custom-OktaV2_CL"}}`}, pairs...)...)
}

// TestStreamsBeginWhereTheyAreTold, in a file and by app settings; a stream that there is
// not, and a time that is none, are named where they stand.
func TestStreamsBeginWhereTheyAreTold(t *testing.T) {
	week := now.Add(-7 * 24 * time.Hour)
	c, err := FromEnv(all(t), connectors.Find, settled("OKTA_START", "-1h", "OKTA_SYSTEM_LOG_START", "-7d"), now, nil)
	if err != nil || !c.Connections[0].Starts["system_log"].Equal(week) || !c.Connections[0].Start.Equal(now.Add(-time.Hour)) {
		t.Errorf("%+v %v", c, err)
	}
	for pair, want := range map[[2]string]string{
		{"OKTA_SYSTEM_LOG_START", "soon"}:       `app setting OKTA_SYSTEM_LOG_START: `,
		{"OKTA_SYSTEM_LOG_START", "2030-01-01"}: "is in the future",
		{"OKTA_SYSTEM_LGO_START", "-7d"}:        "did you mean OKTA_SYSTEM_LOG_START?",
	} {
		c, err := FromEnv(all(t), connectors.Find, settled(pair[0], pair[1]), now, nil)
		if err == nil {
			err = c.Err()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", pair, err, want)
		}
	}
	text := "workspace: {endpoint: https://x.example, rules: {OktaV2_CL: {id: dcr-00000000000000000000000000000001, stream: Custom-OktaV2_CL}}}\nconnections:\n  - connector: okta\n    settings: {domain: contoso.okta.com, api_token: \"${env:TOKEN}\"}\n    starts: {%s: -7d}\n"
	env := func(string) (string, bool) { return "x", true }
	c, err = Parse("sluice.yaml", []byte(fmt.Sprintf(text, "system_log")), in, env, now, nil)
	if err != nil || c.Err() != nil || !c.Connections[0].Starts["system_log"].Equal(week) {
		t.Errorf("%+v %v", c, err)
	}
	c, err = Parse("sluice.yaml", []byte(fmt.Sprintf(text, "system_lgo")), in, env, now, nil)
	if err == nil {
		err = c.Err()
	}
	if err == nil || !strings.Contains(err.Error(), `sluice.yaml:5:26: okta has no stream "system_lgo" (did you mean system_log?)`) {
		t.Error(err)
	}
}

func TestFromEnv(t *testing.T) {
	c, err := FromEnv(all(t), connectors.Find, settled("OKTA_API_TOKEN", "s3cret-value\r\n", "SLUICE_CREDENTIAL", "managed_identity\n"), now, nil)
	if err != nil || len(c.Connections) != 1 || len(c.Broken)+len(c.Warnings) > 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if conn := c.Connections[0]; conn.Name != "okta" || conn.Settings["api_token"] != "s3cret-value" || c.Store.Container != "https://acct.blob.core.windows.net/sluice" || c.Workspace.Credential != "managed_identity" {
		t.Errorf("%+v", c)
	}
}

func TestMistakesInAppSettingsNameTheSetting(t *testing.T) {
	for name, c := range map[string]struct{ setting, value, want string }{
		"half a connection": {"OKTA_DOMAIN", "", `app setting OKTA_DOMAIN: the setting "domain" of okta is missing`},
		"unresolved vault":  {"OKTA_API_TOKEN", "@Microsoft.KeyVault(VaultName=v;SecretName=s)", "app setting OKTA_API_TOKEN: OKTA_API_TOKEN holds an unresolved Key Vault reference"},
		"pattern":           {"OKTA_DOMAIN", "https://contoso.okta.com", "app setting OKTA_DOMAIN: "},
		"start for all":     {"SLUICE_START", "24h", `app setting SLUICE_START: "24h" has no minus in front: write -24h`},
		"start":             {"OKTA_START", "2036-01-01", "app setting OKTA_START: 2036-01-01 is in the future"},
		"schedule":          {"OKTA_SCHEDULE", "often", "app setting OKTA_SCHEDULE: "},
		"base_url":          {"OKTA_BASE_URL", "http://contoso.okta.com", "app setting OKTA_BASE_URL: "},
		"private_network":   {"OKTA_PRIVATE_NETWORK", "yes", `app setting OKTA_PRIVATE_NETWORK: "yes" is neither true nor false`},
		"misspelt":          {"OKTA_API_TOKN", "x", "app setting SLUICE_ENDPOINT: "}, // with the endpoint taken away, below
		"rules of one":      {"OKTA_RULES", "[]", `"endpoint": "https://…"}}: it is of the type array, and no object {…}`},
		"rule of one":       {"OKTA_RULES", `{"OktaV2_CL":{"id":"dcr-2","stream":"Custom-OktaV2_CL"}}`, "app setting OKTA_RULES: the id of the rule"},
		"rules, no JSON":    {"SLUICE_RULES", `{"OktaV2_CL":`, `"endpoint": "https://…"}}: it is no JSON at byte 13`},
		"rules, a key":      {"SLUICE_RULES", `{"OktaV2_CL":{"id":"dcr-00000000000000000000000000000001","steam":"Custom-OktaV2_CL"}}`, `app setting SLUICE_RULES: want {`},
		"rules, hint":       {"SLUICE_RULES", `{"OktaV2_CL":{"Id":"dcr-00000000000000000000000000000001"}}`, `OktaV2_CL: unknown key "Id" (did you mean id?)`},
		"rules, a number":   {"SLUICE_RULES", `{"OktaV2_CL":{"id":5}}`, "OktaV2_CL: a value is of the type number, and no text in quotes"},
		"rules, a stream":   {"SLUICE_RULES", `{"OktaV2_CL":{"id":"dcr-00000000000000000000000000000001","stream":"OktaV2_CL"}}`, "app setting SLUICE_RULES: the stream of the table OktaV2_CL"},
		"endpoint":          {"SLUICE_ENDPOINT", "x.example", "app setting SLUICE_ENDPOINT: "},
		"no endpoint":       {"SLUICE_ENDPOINT", "", "app setting SLUICE_ENDPOINT: it is missing"},
		"credential":        {"SLUICE_CREDENTIAL", "managed-identity", `app setting SLUICE_CREDENTIAL: "managed-identity" is none of default, managed_identity, client_secret, none (did you mean managed_identity?)`},
		"none":              {"SLUICE_CREDENTIAL", "none", "app setting SLUICE_CREDENTIAL: none is for a workspace on this machine only"},
		"cloud":             {"SLUICE_CLOUD", "AzureUSGov", "app setting SLUICE_CLOUD: "},
		"workspace's id":    {"SLUICE_WORKSPACE_ID", "contoso", "app setting SLUICE_WORKSPACE_ID: "},
		"query":             {"SLUICE_QUERY_ENDPOINT", "x", "app setting SLUICE_QUERY_ENDPOINT: "},
		"quarantine":        {"SLUICE_QUARANTINE", "quarantine", "app setting SLUICE_QUARANTINE: "},
		"store":             {"SLUICE_STORE", "acct.blob.core.windows.net/sluice", "app setting SLUICE_STORE: "},
		"store, container":  {"SLUICE_STORE", "https://acct.blob.core.windows.net", "app setting SLUICE_STORE: "},
		"account":           {"AzureWebJobsStorage__accountName", "a b", "app setting AzureWebJobsStorage__accountName: "},
		"storage":           {"AzureWebJobsStorage", "x\x00y", "app setting AzureWebJobsStorage: the environment variable AzureWebJobsStorage has a control character (U+0000) at character 2"},
		"unknown of ours":   {"SLUICE_CLUOD", "AzureCloud", "app setting SLUICE_CLUOD: Sluice has no such setting (did you mean SLUICE_CLOUD?)"},
		"unknown of okta's": {"OKTA_STRAT", "-1h", "app setting OKTA_STRAT: okta has no such setting (did you mean OKTA_START?)"},
	} {
		pairs := []string{c.setting, c.value}
		if name == "misspelt" {
			pairs = append(pairs, "SLUICE_ENDPOINT", "")
		}
		got, err := FromEnv(all(t), connectors.Find, settled(pairs...), now, nil)
		if err == nil {
			err = got.Err()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret-value") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// TestAMisspeltSettingIsNamed: beside the one that lacks for it.
func TestAMisspeltSettingIsNamed(t *testing.T) {
	c, err := FromEnv(all(t), connectors.Find, settled("OKTA_DOMAIN", "", "OKTA_DOMIAN", "contoso.okta.com", "SLACK_SERVICE_HOST", "10.0.0.1", "OKTA_SERVICE_HOST", "10.0.0.1"), now, nil)
	if err != nil || len(c.Broken) != 1 || !strings.Contains(c.Broken[0].Err.Error(), "app setting OKTA_DOMIAN: okta has no such setting (did you mean OKTA_DOMAIN?)") {
		t.Errorf("%+v, %v", c, err)
	}
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0], ": OKTA_SERVICE_HOST") {
		t.Errorf("warnings %q", c.Warnings)
	}
	c, err = FromEnv(all(t), connectors.Find, environ("GITHUB_ACTIONS", "true", "GITHUB_STATE", "/x", "GITHUB_ORGANIZATION", "contoso", "GITHUB_TOKEN", "x", "SLUICE_ENDPOINT", "https://x.example",
		"SLUICE_RULES", `{"GitHubAuditLogsV2_CL":{"id":"dcr-00000000000000000000000000000001","stream":"Custom-G_CL"}}`), now, nil)
	if err != nil || c.Err() != nil || len(c.Warnings) > 0 {
		t.Errorf("on a runner of GitHub's: %+v, %v", c, err)
	}
}

func TestParseStart(t *testing.T) {
	for in, want := range map[string]time.Time{
		"": now.Add(-24 * time.Hour), "-1h": now.Add(-time.Hour), "-90d": now.Add(-90 * 24 * time.Hour), " -1h\n": now.Add(-time.Hour),
		"2026-03-01": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "2026-03-01T12:00:00+02:00": time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
	} {
		if got, err := ParseStart(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"24h", "7d", "--1h", "+1h", "-", "yesterday", "-1", "2026-13-01"} {
		if got, err := ParseStart(in, now); err == nil {
			t.Errorf("%q is read as %s", in, got)
		}
	}
}

// TestRulesHaveEndpoints: a connector's own setting adds rules, each with its endpoint;
// the cloud follows from these.
func TestRulesHaveEndpoints(t *testing.T) {
	const rule = `{"id":"dcr-00000000000000000000000000000001","stream":"Custom-s","endpoint":"https://%s"}`
	one := func(table, at string) string { return `{"` + table + `":` + strings.Replace(rule, "%s", at, 1) + `}` }
	c, err := FromEnv(all(t), connectors.Find, environ("OKTA_DOMAIN", "contoso.okta.com", "OKTA_API_TOKEN", "x", "SLUICE_RULES", one("SluiceHealth_CL", "h.usgovvirginia-1.ingest.monitor.azure.us"),
		"OKTA_RULES", one("OktaV2_CL", "o.usgovvirginia-1.ingest.monitor.azure.us")), now, nil)
	if err = errors.Join(err, c.Err()); err != nil || len(c.Workspace.Endpoints()) != 2 || c.Workspace.Cloud != "AzureUSGovernment" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = FromEnv(all(t), connectors.Find, environ("OKTA_DOMAIN", "contoso.okta.com", "SLACK_TOKEN", "x", "SLUICE_RULES", one("SlackAuditV2_CL", "x.example"), "OKTA_RULES", "x"), now, nil)
	if err != nil || len(c.Connections) != 1 || len(c.Broken) != 1 || !strings.Contains(c.Broken[0].Err.Error(), "app setting OKTA_API_TOKEN") || !strings.Contains(c.Broken[0].Err.Error(), "app setting OKTA_RULES") {
		t.Errorf("%+v, %v", c, err)
	}
}

// in finds connectors as a program does.
func in(folders []Folder) (Find, []Broken) {
	var list []connectors.Folder
	for _, f := range folders {
		list = append(list, connectors.Folder(f))
	}
	set := connectors.Open(list)
	var broken []Broken
	for _, b := range set.Folders() {
		broken = append(broken, Broken{Name: b.Name, Err: b.Err})
	}
	return set.Find, broken
}
