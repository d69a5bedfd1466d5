package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/azure/arm"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// allowed are the types of resources that a deployment may make, and those that
// it may make where the workspace is. There is no workspace among them.
var (
	allowed = []string{
		"Microsoft.ManagedIdentity/userAssignedIdentities", "Microsoft.Authorization/roleAssignments",
		"Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Storage/storageAccounts/blobServices/containers",
		"Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/secrets",
		"Microsoft.Web/serverfarms", "Microsoft.Web/sites", "Microsoft.Web/sites/extensions",
		"Microsoft.Insights/components", "Microsoft.Insights/dataCollectionRules", "Microsoft.Insights/diagnosticSettings",
		"Microsoft.Insights/dataCollectionEndpoints", "Microsoft.Insights/privateLinkScopes", "Microsoft.Insights/privateLinkScopes/scopedResources",
		"Microsoft.Network/virtualNetworks", "Microsoft.Network/publicIPAddresses", "Microsoft.Network/natGateways", "Microsoft.Network/privateEndpoints", "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
		"Microsoft.Network/privateDnsZones", "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
	}
	allowedAtWorkspace = []string{
		"Microsoft.OperationalInsights/workspaces/tables", "Microsoft.OperationalInsights/workspaces/savedSearches",
		"Microsoft.SecurityInsights/dataConnectorDefinitions", "Microsoft.SecurityInsights/alertRules", "Microsoft.Insights/workbooks",
		"Microsoft.Authorization/roleAssignments", // of the app, to read back
	}
)

func TestNothingIsMadeOutsideTheAllowList(t *testing.T) {
	made := map[string]bool{}
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		for _, r := range res.Resources {
			made[r.Type] = true
			list := allowed
			if strings.HasPrefix(strings.ToLower(r.ID), "/subscriptions/11111111-") {
				list = allowedAtWorkspace
			}
			if !slices.Contains(list, r.Type) {
				t.Errorf("%s is made", r.ID)
			}
			if r.Type == "Microsoft.Authorization/roleAssignments" && d.params["assignRoles"] == false {
				t.Errorf("%s, though roles are not to be assigned", r.ID)
			}
		}
		ids := map[string]bool{}
		for _, r := range res.Resources {
			if ids[strings.ToLower(r.ID)] {
				t.Errorf("%s is made twice", r.ID)
			}
			ids[strings.ToLower(r.ID)] = true
		}
		if len(res.Resources) > 800 {
			t.Errorf("%d resources, at most 800 can be", len(res.Resources))
		}
	})
	for _, typ := range slices.Concat(allowed, allowedAtWorkspace) {
		if !made[typ] {
			t.Errorf("no case makes a %s: take it off the list", typ)
		}
	}
}

// untagged are the types of resources that take no tags (learn.microsoft.com, "Tag support
// for Azure resources"), and the vault's secrets, which are named in it.
var untagged = []string{
	"Microsoft.Authorization/roleAssignments", "Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Storage/storageAccounts/blobServices/containers",
	"Microsoft.KeyVault/vaults/secrets", "Microsoft.Web/sites/extensions", "Microsoft.Insights/diagnosticSettings", "Microsoft.Insights/privateLinkScopes/scopedResources",
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "Microsoft.OperationalInsights/workspaces/tables", "Microsoft.OperationalInsights/workspaces/savedSearches",
	"Microsoft.SecurityInsights/dataConnectorDefinitions", "Microsoft.SecurityInsights/alertRules",
}

// TestEverythingHasTheTags that takes some.
func TestEverythingHasTheTags(t *testing.T) {
	each(t, func(t *testing.T, _ deployedCase, res *arm.Result) {
		for _, r := range res.Resources {
			if tagged := fmt.Sprint(dig(r.Body, "tags", "costCenter")) == "soc"; tagged == slices.Contains(untagged, r.Type) {
				t.Errorf("%s has tags: %v", r.ID, tagged)
			}
		}
	})
}

// TestRulesFeedTheirTables: what a rule declares, its table has, and both are
// within the service's limits.
func TestRulesFeedTheirTables(t *testing.T) {
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		tables := map[string]map[string]bool{}
		for _, r := range res.Resources {
			if r.Type != "Microsoft.OperationalInsights/workspaces/tables" {
				continue
			}
			cols := map[string]bool{}
			for _, c := range dig(r.Body, "properties", "schema", "columns").([]any) {
				cols[dig(c, "name").(string)] = true
			}
			if !cols["TimeGenerated"] || len(cols) > 500 {
				t.Errorf("%s has %d columns, or no TimeGenerated", r.Name, len(cols))
			}
			tables["Custom-"+r.Name[strings.LastIndexByte(r.Name, '/')+1:]] = cols
		}
		fed := map[string]bool{}
		for _, r := range res.Resources {
			if r.Type != "Microsoft.Insights/dataCollectionRules" {
				continue
			}
			streams := dig(r.Body, "properties", "streamDeclarations").(map[string]any)
			flows := dig(r.Body, "properties", "dataFlows").([]any)
			if len(streams) > sentinel.MaxStreams || len(flows) > sentinel.MaxStreams || len(flows) != len(streams) {
				t.Errorf("%s has %d streams and %d flows", r.Name, len(streams), len(flows))
			}
			if fmt.Sprint(r.Body["location"]) != "‹sentinel.location›" {
				t.Errorf("%s is in %v, and has to be where the workspace is", r.Name, r.Body["location"])
			}
			for _, f := range flows {
				for _, s := range dig(f, "streams").([]any) {
					if streams[s.(string)] == nil {
						t.Errorf("%s: a flow has the stream %s, which the rule does not declare", r.Name, s)
					}
					fed[s.(string)] = true
				}
			}
			for name, s := range streams {
				for _, c := range dig(s, "columns").([]any) {
					if col := dig(c, "name").(string); !tables[name][col] {
						t.Errorf("%s: stream %s declares %s, which its table lacks", r.Name, name, col)
					}
				}
			}
		}
		for table := range tables {
			if !fed[table] {
				t.Errorf("no rule feeds %s", table)
			}
		}
	})
}

func dig(v any, path ...string) any {
	for _, k := range path {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// roles are those that may be assigned, by id (learn.microsoft.com, "Azure built-in roles").
var roles = map[string]string{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Microsoft.Storage/storageAccounts",        // Storage Blob Data Owner
	"3913510d-42f4-4e42-8a64-420c390055eb": "Microsoft.Insights/",                      // Monitoring Metrics Publisher
	"4633458b-17de-408a-b874-0445c86b69e6": "Microsoft.KeyVault/vaults",                // Key Vault Secrets User
	"73c42c96-874c-492b-b04d-ab87d138a893": "Microsoft.OperationalInsights/workspaces", // Log Analytics Reader
}

func TestRolesAreKnownAndAtTheirScope(t *testing.T) {
	assigned := map[string]bool{}
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		rules := map[string]bool{}
		for _, r := range res.Resources {
			if r.Type != "Microsoft.Authorization/roleAssignments" {
				continue
			}
			id := dig(r.Body, "properties", "roleDefinitionId").(string)
			id = id[strings.LastIndexByte(id, '/')+1:]
			assigned[id] = true
			if roles[id] == "" || !strings.Contains(r.Scope, "/providers/"+roles[id]) || dig(r.Body, "properties", "principalType") != "ServicePrincipal" {
				t.Errorf("role %s on %s", id, r.Scope)
			}
			rules[r.Scope] = true
		}
		for _, r := range res.Resources {
			if r.Type != "Microsoft.Insights/dataCollectionRules" {
				continue
			}
			if !rules[r.ID] && d.params["assignRoles"] != false {
				t.Errorf("nobody may send to %s", r.Name)
			}
			if !slices.ContainsFunc(res.Resources, func(x arm.Resource) bool { return x.Type == "Microsoft.Insights/diagnosticSettings" && x.Scope == r.ID }) {
				t.Errorf("what %s drops is kept nowhere", r.Name)
			}
		}
	})
	if len(assigned) != len(roles) {
		t.Errorf("assigned %v", assigned)
	}
}

// forbidden on Flex Consumption (learn.microsoft.com, "Flex Consumption plan deprecations").
var (
	forbiddenSettings = []string{"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_MAX_HTTP_CONCURRENCY",
		"FUNCTIONS_WORKER_PROCESS_COUNT", "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE",
		"WEBSITE_NODE_DEFAULT_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_TIME_ZONE", "TZ"}
	forbiddenProperties = []string{"linuxFxVersion", "alwaysOn", "isReserved", "isXenon", "windowsFxVersion", "use32BitWorkerProcess", "ftpsState", "containerSize", "functionAppScaleLimit", "preWarmedInstanceCount"}
)

func TestFlexHasNothingThatItForbids(t *testing.T) {
	flex := 0
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		app, settings := site(t, res)
		if dig(app.Body, "properties", "functionAppConfig") == nil {
			if settings["FUNCTIONS_WORKER_RUNTIME"] != "custom" || settings["WEBSITE_RUN_FROM_PACKAGE"] != packageURI {
				t.Errorf("an app without Flex needs more: %v", settings)
			}
			return
		}
		flex++
		for _, name := range forbiddenSettings {
			if _, ok := settings[name]; ok {
				t.Errorf("the setting %s", name)
			}
		}
		for _, name := range forbiddenProperties {
			if dig(app.Body, "properties", name) != nil || dig(app.Body, "properties", "siteConfig", name) != nil {
				t.Errorf("the property %s", name)
			}
		}
		for _, r := range res.Resources {
			if r.Type == "Microsoft.Web/sites/extensions" && dig(r.Body, "properties", "packageUri") != packageURI {
				t.Errorf("the package is %v", r.Body)
			}
		}
	})
	if flex < 10 {
		t.Errorf("%d apps on Flex", flex)
	}
}

// TestSecretsAreInTheVaultOnly: the value of a secret is in its Key Vault secret,
// and in no other resource, setting or output.
func TestSecretsAreInTheVaultOnly(t *testing.T) {
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		kept := map[string]bool{}
		for _, r := range res.Resources {
			if r.Type == "Microsoft.KeyVault/vaults/secrets" {
				kept[dig(r.Body, "properties", "value").(string)] = true
				continue
			}
			text, _ := json.Marshal(r)
			for param, secret := range d.secrets {
				if strings.Contains(string(text), secret) {
					t.Errorf("%s has the secret %s", r.ID, param)
				}
			}
		}
		outputs, _ := json.Marshal(res.Outputs)
		if strings.Contains(string(outputs), "parameters('") {
			t.Errorf("an output is made of a secret: %s", outputs)
		}
		for param, secret := range d.secrets {
			if !kept[secret] {
				t.Errorf("the secret %s is nowhere", param)
			}
			if strings.Contains(string(outputs), secret) {
				t.Errorf("an output has the secret %s", param)
			}
		}
	})
}

// TestPrivateMeansPrivate: what is made in a private network takes nothing from outside,
// and has a way in.
func TestPrivateMeansPrivate(t *testing.T) {
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		if d.params["network"] != "private" {
			return
		}
		targets := map[string]bool{}
		for _, r := range res.Resources {
			if r.Type == "Microsoft.Network/privateEndpoints" {
				for _, c := range dig(r.Body, "properties", "privateLinkServiceConnections").([]any) {
					targets[strings.ToLower(fmt.Sprint(dig(c, "properties", "privateLinkServiceId")))] = true
				}
			}
		}
		for _, r := range res.Resources {
			switch r.Type {
			case "Microsoft.KeyVault/vaults", "Microsoft.Storage/storageAccounts", "Microsoft.Web/sites":
				if dig(r.Body, "properties", "publicNetworkAccess") != "Disabled" {
					t.Errorf("%s is reached from outside", r.ID)
				}
				if !targets[strings.ToLower(r.ID)] {
					t.Errorf("%s has no private endpoint", r.ID)
				}
			case "Microsoft.Insights/dataCollectionRules":
				if fmt.Sprint(dig(r.Body, "properties", "dataCollectionEndpointId")) == "<nil>" {
					t.Errorf("%s takes rows from outside", r.ID)
				}
			}
		}
	})
}

// TestWhatIsNoIdIsRefusedInWords, and not somewhere in the middle.
func TestWhatIsNoIdIsRefusedInWords(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "infra", "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]string{{"workspaceId", "my-workspace-has-a-name"}, {"workspaceId", otherAccount}, {"vaultId", "kv"}, {"storageId", otherVault}, {"identityId", "me"}, {"planId", otherVault}} {
		params := map[string]any{"workspaceId": workspaceID, "connectors": []any{"okta"}, x[0]: x[1]}
		if _, err := arm.Expand(data, params, scope("AzureCloud")); err == nil || !strings.Contains(err.Error(), x[0]+" is no resource id") {
			t.Errorf("%s %s: %v", x[0], x[1], err)
		}
	}
}

// TestTheContainerTemplateCompiles: no compiled form of it is kept, since it takes an
// image that only its user has.
func TestTheContainerTemplateCompiles(t *testing.T) {
	c := compilerFor(t)
	text, err := c.compile(filepath.Join(root, "infra", "container", "main.bicep"))
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]any{"image": "registry.example/sluice@sha256:0", "identityId": otherUser,
		"settings": []any{map[string]any{"name": "OKTA_DOMAIN", "value": "contoso.okta.com"}},
		"secrets":  []any{map[string]any{"name": "OKTA_API_TOKEN", "secret": "okta-api-token", "uri": "https://v.vault.azure.net/secrets/okta-api-token"}}}
	res, err := arm.Expand([]byte(text), params, scope("AzureCloud"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(res.Resources)
	for _, want := range []string{`"env":[{"name":"OKTA_DOMAIN","value":"contoso.okta.com"},{"name":"OKTA_API_TOKEN","secretRef":"okta-api-token"}]`, `"keyVaultUrl":"https://v.vault.azure.net/secrets/okta-api-token"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the app is %s, want %s", b, want)
		}
	}
}
