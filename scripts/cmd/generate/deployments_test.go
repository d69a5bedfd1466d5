package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// deployedCase is a template with what somebody chose.
type deployedCase struct {
	name     string
	template string // below infra/
	cloud    string
	params   map[string]any
	secrets  map[string]string // parameter by value
	changes  []string          // against the baseline, for an option by itself
}

const (
	workspaceID  = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/sentinel"
	otherID      = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops"
	otherNet     = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub"
	otherScope   = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/hub/providers/Microsoft.Insights/privateLinkScopes/hub"
	otherVault   = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/keys/providers/Microsoft.KeyVault/vaults/kv-soc"
	otherAccount = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/stsoc"
	otherUser    = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-soc"
	otherPlan    = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/ops/providers/Microsoft.Web/serverfarms/plan-soc"
	packageURI   = "https://github.com/sluice-connectors/sluice/releases/download/v1.2.3/sluice-functions.zip"
	longName     = "a-name-that-is-sixty-three-characters-long-as-some-people-have1"
	name24       = "abcdefghijklmnopqrstuvwx"
)

// baseline is what each option by itself is compared with.
const baseline = "only okta"

// deployments are what all checks go through: each plan in each network, with one
// connector and with all, with nothing chosen, with everything and with the least; the
// clouds; each connector's own template; and each option by itself.
var deployments = sync.OnceValues(func() ([]deployedCase, error) {
	cs, err := connectors.All()
	if err != nil {
		return nil, err
	}
	list := slices.Concat(combined(cs), special(), options())
	for _, c := range cs {
		list = append(list, deployedCase{name: "only " + c.Name, template: "connectors/" + c.Name + "/", params: map[string]any{}})
	}
	for i := range list {
		list[i].complete(cs)
	}
	return list, nil
})

func combined(cs []*spec.Connector) (list []deployedCase) {
	var all []any
	for _, c := range cs {
		all = append(all, c.Name)
	}
	sets := map[string]map[string]any{
		"":           {},
		"everything": {"insightsWorkspaceId": otherID, "readBack": true, "parserFunctions": true, "retention": 90, "totalRetention": 730, "schedule": "0 0 * * * *", "schedules": map[string]any{"okta": "0 */2 * * * *"}},
		"the least":  {"assignRoles": false, "sentinelContent": false},
	}
	for _, plan := range []string{"flex", "premium", "dedicated"} {
		for _, network := range []string{"public", "private"} {
			for _, chosen := range [][]any{{"okta"}, all} {
				for _, what := range slices.Sorted(maps.Keys(sets)) {
					params := withParams(sets[what], "plan", plan, "network", network, "connectors", chosen)
					if network == "private" && what == "the least" {
						params = withParams(params, "appSubnetId", otherNet+"/subnets/a", "endpointSubnetId", otherNet+"/subnets/e", "dnsZones", false, "privateLinkScopeId", otherScope)
					}
					list = append(list, deployedCase{name: fmt.Sprint(plan, " ", network, " ", len(chosen), " ", what), params: params})
				}
			}
		}
	}
	return list
}

func special() []deployedCase {
	private := map[string]any{"network": "private"}
	return []deployedCase{
		{name: "none yet", params: map[string]any{"connectors": []any{}}},
		{name: "US Government", cloud: "AzureUSGovernment", params: withParams(private, "connectors", []any{"okta"}, "plan", "premium")},
		{name: "China", cloud: "AzureChinaCloud", params: withParams(private, "connectors", []any{"office365"}, "plan", "dedicated")},
		{name: "own network", template: "connectors/okta/", params: withParams(private, "appSubnetId", otherNet+"/subnets/a", "endpointSubnetId", otherNet+"/subnets/e", "dnsZones", false, "privateLinkScopeId", otherScope)},
		{name: "own addresses", template: "connectors/okta/", params: withParams(private, "addressPrefix", "10.1.2.0/24")},
		{name: "schedules", params: map[string]any{"connectors": []any{"okta", "wiz"}, "schedule": "0 0 * * * *", "schedules": map[string]any{"okta": "0 */2 * * * *"}}},
		{name: "an optional secret is kept", params: map[string]any{"connectors": []any{"okta", "entra-id"}, "oktaApiToken": "", "entraIdClientSecret": "", "keptSecrets": []any{"entra-id-client-secret"}}},
		{name: "no secret is given", params: map[string]any{"connectors": []any{"okta", "entra-id"}, "oktaApiToken": "", "entraIdClientSecret": ""}},
		{name: "all that exists, in private", template: "connectors/okta/", params: withParams(private, "vaultId", otherVault, "storageId", otherAccount, "identityId", otherUser, "plan", "premium", "planId", otherPlan,
			"appSubnetId", otherNet+"/subnets/a", "endpointSubnetId", otherNet+"/subnets/e")},
		{name: "named 2", template: "connectors/okta/", params: named("ab")},
		{name: "named 24", template: "connectors/okta/", params: named(name24)},
		{name: "named 63", template: "connectors/okta/", params: named(longName)},
		{name: "named in capitals", template: "connectors/okta/", params: named("UPPER-Case9")},
		{name: "names of one's own", template: "connectors/okta/", params: withParams(named("ab"), "names", ownNames())},
		{name: "tables", params: map[string]any{"connectors": []any{"okta", "cloudflare"}, "retention": 90, "totalRetention": 365, "tables": map[string]any{
			"CloudflareV2_CL": map[string]any{"plan": "Auxiliary", "totalRetention": 730}, "OktaV2_CL": map[string]any{"retention": 180}, "SluiceHealth_CL": map[string]any{"totalRetention": 1095}}}},
	}
}

// named makes all that a name goes into.
func named(name string) map[string]any {
	return map[string]any{"name": name, "network": "private", "insightsWorkspaceId": otherID}
}

// ownNames are as long as they may be.
func ownNames() map[string]any {
	return map[string]any{
		"app": strings.Repeat("a", 60), "plan": strings.Repeat("p", 40), "identity": strings.Repeat("i", 128), "storage": strings.Repeat("s", 24),
		"packageContainer": strings.Repeat("c", 63), "stateContainer": "the-state", "quarantineContainer": "the-rest", "vault": strings.Repeat("v", 24),
		"insights": strings.Repeat("i", 255), "network": strings.Repeat("n", 64), "natGateway": strings.Repeat("g", 80), "publicIp": strings.Repeat("d", 80),
		"storageEndpoint": strings.Repeat("e", 64), "vaultEndpoint": strings.Repeat("f", 64), "appEndpoint": strings.Repeat("g", 64), "monitorEndpoint": strings.Repeat("h", 64),
		"collectionEndpoint": strings.Repeat("d", 44), "privateLinkScope": strings.Repeat("l", 255), "rules": map[string]any{"okta": []any{strings.Repeat("r", 64)}, "health": []any{"dcr-health"}},
	}
}

func withParams(m map[string]any, pairs ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// chosen reports whether a connector is in a deployment.
func (d *deployedCase) chosen(connector string) bool {
	if d.template != "" {
		return strings.Contains(d.template, "/"+connector+"/")
	}
	return slices.Contains(d.params["connectors"].([]any), any(connector))
}

// path is that of the compiled template.
func (d *deployedCase) path() string {
	return filepath.Join(root, "infra", filepath.FromSlash(d.template), "azuredeploy.json")
}

// complete fills in what every deployment has, and a value for each setting of the
// connectors that were chosen, unless it has one.
func (d *deployedCase) complete(cs []*spec.Connector) {
	d.cloud = max(d.cloud, "AzureCloud")
	d.secrets = map[string]string{}
	params := map[string]any{"workspaceId": workspaceID, "packageUri": packageURI, "packageSha256": strings.Repeat("ab", 32), "tags": map[string]any{"costCenter": "soc"}}
	for _, c := range cs {
		if !d.chosen(c.Name) {
			continue
		}
		for _, s := range deployedOf(c).Params {
			params[s.Name] = settingValue(c.Name, s.Setting)
		}
	}
	maps.Copy(params, d.params)
	d.params = params
	for _, c := range cs {
		for _, s := range deployedOf(c).Params {
			if v, _ := params[s.Name].(string); v != "" && s.Secret {
				d.secrets[s.Name] = v
			}
		}
	}
}

// settingValue is a value that a setting accepts; one of a secret is like no other.
func settingValue(connector string, s spec.Setting) string {
	for _, v := range []string{s.Default, "canary-" + connector + "-" + s.Name, "contoso.example.com", "canary_" + connector, "12345", "11111111-1111-1111-1111-111111111111", "us1", "yes", ",BotScore", "https://contoso.example.com", strings.Repeat("0a", 16), "api.contoso.example.com"} {
		if v != "" && (s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(v)) {
			return v
		}
	}
	return "canary-" + connector + "-" + s.Name
}
