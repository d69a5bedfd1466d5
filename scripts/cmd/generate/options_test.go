package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/azure/arm"
)

// ofOtherPlans is what a plan other than Flex Consumption changes.
const ofOtherPlans = `
		- Web/sites/extensions
		~ Web/serverfarms kind
		~ Web/serverfarms sku.name
		~ Web/serverfarms sku.tier
		~ Web/serverfarms zoneRedundant
		~ Web/sites functionAppConfig
		~ Web/sites setting.FUNCTIONS_EXTENSION_VERSION
		~ Web/sites setting.FUNCTIONS_WORKER_RUNTIME
		~ Web/sites setting.WEBSITE_RUN_FROM_PACKAGE
		~ Web/sites siteConfig.alwaysOn
		~ Web/sites siteConfig.ftpsState
		~ Web/sites siteConfig.linuxFxVersion
		~ Web/sites siteConfig.vnetRouteAllEnabled`

// optionChanges are parameters by themselves, with what each changes of the baseline: + is
// made, - is not, ~ has another member or setting. The names of types go without
// Microsoft; of several there is a number.
var optionChanges = []struct {
	name    string
	value   any
	changes string
}{
	{"location", "northeurope", `
		~ KeyVault/vaults location
		~ ManagedIdentity/userAssignedIdentities location
		~ Storage/storageAccounts location
		~ Web/serverfarms location
		~ Web/sites location`},
	{"tags", map[string]any{"costCenter": "soc", "owner": "me"}, `
		~ Insights/dataCollectionRules tags.owner x2
		~ Insights/workbooks tags.owner
		~ KeyVault/vaults tags.owner
		~ ManagedIdentity/userAssignedIdentities tags.owner
		~ Storage/storageAccounts tags.owner
		~ Web/serverfarms tags.owner
		~ Web/sites tags.owner`},
	{"name", "other", `
		+ Authorization/roleAssignments x4
		+ Insights/dataCollectionRules x2
		+ Insights/diagnosticSettings x2
		+ KeyVault/vaults
		+ KeyVault/vaults/secrets
		+ ManagedIdentity/userAssignedIdentities
		+ Storage/storageAccounts
		+ Storage/storageAccounts/blobServices
		+ Storage/storageAccounts/blobServices/containers x3
		+ Web/serverfarms
		+ Web/sites
		+ Web/sites/extensions
		- Authorization/roleAssignments x4
		- Insights/dataCollectionRules x2
		- Insights/diagnosticSettings x2
		- KeyVault/vaults
		- KeyVault/vaults/secrets
		- ManagedIdentity/userAssignedIdentities
		- Storage/storageAccounts
		- Storage/storageAccounts/blobServices
		- Storage/storageAccounts/blobServices/containers x3
		- Web/serverfarms
		- Web/sites
		- Web/sites/extensions`},
	{"schedule", "0 0 * * * *", `
		~ Web/sites setting.OKTA_SCHEDULE`},
	{"lookbacks", map[string]any{"okta": map[string]any{"system_log": "-30d"}}, `
		~ Web/sites setting.OKTA_SYSTEM_LOG_START`},
	{"logLevel", "debug", `
		~ Web/sites setting.SLUICE_LOG_LEVEL`},
	{"appSettings", map[string]any{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.contoso.com:4318"}, `
		~ Web/sites setting.OTEL_EXPORTER_OTLP_ENDPOINT`},
	{"time", "ingestion", `
		~ Web/sites setting.SLUICE_TIME`},
	{"lookback", "-7d", `
		~ Web/sites setting.SLUICE_START`},
	{"plan", "premium", ofOtherPlans},
	{"plan", "dedicated", ofOtherPlans},
	{"network", "private", `
		+ Insights/dataCollectionEndpoints
		+ Insights/privateLinkScopes
		+ Insights/privateLinkScopes/scopedResources
		+ Network/natGateways
		+ Network/privateDnsZones x7
		+ Network/privateDnsZones/virtualNetworkLinks x7
		+ Network/privateEndpoints x4
		+ Network/privateEndpoints/privateDnsZoneGroups x4
		+ Network/publicIPAddresses
		+ Network/virtualNetworks
		~ Insights/dataCollectionRules dataCollectionEndpointId x2
		~ KeyVault/vaults networkAcls.defaultAction
		~ KeyVault/vaults publicNetworkAccess
		~ Storage/storageAccounts networkAcls.defaultAction
		~ Storage/storageAccounts publicNetworkAccess
		~ Web/sites publicNetworkAccess
		~ Web/sites setting.OKTA_RULES
		~ Web/sites setting.SLUICE_RULES
		~ Web/sites virtualNetworkSubnetId`},
	{"insightsWorkspaceId", otherID, `
		+ Authorization/roleAssignments
		+ Insights/components
		~ Web/sites setting.APPLICATIONINSIGHTS_AUTHENTICATION_STRING
		~ Web/sites setting.APPLICATIONINSIGHTS_CONNECTION_STRING`},
	{"assignRoles", false, `
		- Authorization/roleAssignments x4`},
	{"readBack", true, `
		+ Authorization/roleAssignments
		~ Web/sites setting.SLUICE_WORKSPACE_ID`},
	{"retention", 90, `
		~ OperationalInsights/workspaces/tables retentionInDays x2`},
	{"totalRetention", 365, `
		~ OperationalInsights/workspaces/tables totalRetentionInDays x2`},
	{"sentinelContent", false, `
		- Insights/workbooks
		- OperationalInsights/workspaces/savedSearches
		- SecurityInsights/alertRules x5
		- SecurityInsights/dataConnectorDefinitions`},
	{"packageUri", "", `
		- Web/sites/extensions`},
	{"packageSha256", "", `
		~ Web/sites setting.SLUICE_PACKAGE_SHA256`},
	{"oktaApiToken", "", `
		- KeyVault/vaults/secrets`},
	{"names", map[string]any{"rules": map[string]any{"okta": []any{"dcr-okta"}}}, `
		+ Authorization/roleAssignments
		+ Insights/dataCollectionRules
		+ Insights/diagnosticSettings
		- Authorization/roleAssignments
		- Insights/dataCollectionRules
		- Insights/diagnosticSettings
		~ Web/sites setting.OKTA_RULES`},
	{"identityId", otherUser, `
		+ Authorization/roleAssignments x4
		- Authorization/roleAssignments x4
		- ManagedIdentity/userAssignedIdentities
		~ Web/sites functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId
		~ Web/sites identity x2
		~ Web/sites keyVaultReferenceIdentity
		~ Web/sites setting.AZURE_CLIENT_ID
		~ Web/sites setting.AzureWebJobsStorage__clientId`},
	{"storageId", otherAccount, `
		+ Authorization/roleAssignments
		+ Storage/storageAccounts/blobServices/containers x3
		- Authorization/roleAssignments
		- Storage/storageAccounts
		- Storage/storageAccounts/blobServices
		- Storage/storageAccounts/blobServices/containers x3
		~ Web/sites functionAppConfig.deployment.storage.value
		~ Web/sites setting.AzureWebJobsStorage__blobServiceUri
		~ Web/sites setting.SLUICE_QUARANTINE
		~ Web/sites setting.SLUICE_STORE`},
	{"vaultId", otherVault, `
		+ Authorization/roleAssignments
		+ KeyVault/vaults/secrets
		- Authorization/roleAssignments
		- KeyVault/vaults
		- KeyVault/vaults/secrets
		~ Web/sites setting.OKTA_API_TOKEN`},
	{"planId", otherPlan, `
		- Web/serverfarms
		~ Web/sites serverFarmId`},
	{"recoverVault", true, `
		~ KeyVault/vaults createMode`},
	{"tables", map[string]any{"OktaV2_CL": map[string]any{"plan": "Auxiliary", "totalRetention": 730}}, `
		- OperationalInsights/workspaces/savedSearches
		~ Insights/dataCollectionRules dataFlows
		~ OperationalInsights/workspaces/tables plan
		~ OperationalInsights/workspaces/tables totalRetentionInDays
		~ SecurityInsights/dataConnectorDefinitions connectorUiConfig.dataTypes
		~ SecurityInsights/dataConnectorDefinitions connectorUiConfig.descriptionMarkdown
		~ SecurityInsights/dataConnectorDefinitions connectorUiConfig.graphQueries
		~ Web/sites setting.OKTA_RULES`},
	{"tables", map[string]any{"OktaV2_CL": map[string]any{"plan": "Basic"}}, `
		- OperationalInsights/workspaces/savedSearches
		~ OperationalInsights/workspaces/tables plan
		~ SecurityInsights/dataConnectorDefinitions connectorUiConfig.dataTypes
		~ SecurityInsights/dataConnectorDefinitions connectorUiConfig.descriptionMarkdown
		~ SecurityInsights/dataConnectorDefinitions connectorUiConfig.graphQueries
		~ Web/sites setting.OKTA_RULES`},
	{"tables", map[string]any{"OktaV2_CL": map[string]any{"retention": 180}, "SluiceHealth_CL": map[string]any{"retention": 30, "totalRetention": 1095}}, `
		~ OperationalInsights/workspaces/tables retentionInDays x2
		~ OperationalInsights/workspaces/tables totalRetentionInDays`},
}

// options are the deployments of one parameter each, and of the template with one connector.
func options() (list []deployedCase) {
	for _, o := range optionChanges {
		var changes []string
		for line := range strings.Lines(o.changes) {
			if line = strings.TrimSpace(line); line != "" {
				changes = append(changes, line)
			}
		}
		list = append(list, deployedCase{name: fmt.Sprint("with ", o.name, " ", o.value), template: "connectors/okta/", params: map[string]any{o.name: o.value}, changes: changes})
	}
	return list
}

// TestWhatEachOptionChanges of a deployment, by itself: no more and no less than it says.
func TestWhatEachOptionChanges(t *testing.T) {
	_, without := byName(t, baseline)
	list, err := deployments()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if !strings.HasPrefix(d.name, "with ") {
			continue
		}
		got := differences(t, without, work(t, d))
		if want := slices.Sorted(slices.Values(d.changes)); !slices.Equal(got, want) {
			t.Errorf("%s changes\n\t%s\nwant\n\t%s", d.name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// differences are the resources that only one of two deployments has, + or -, and what
// another is of those that both have: ~ with the members or settings. Resources of one
// type are counted.
func differences(t *testing.T, before, after *arm.Result) []string {
	a, b := byID(before), byID(after)
	count := map[string]int{}
	for id, r := range a {
		if b[id] == nil {
			count["- "+r.Type]++
			continue
		}
		for _, at := range changed("", plainJSON(t, r.Body), plainJSON(t, b[id].Body)) {
			count["~ "+r.Type+" "+at]++
		}
	}
	for id, r := range b {
		if a[id] == nil {
			count["+ "+r.Type]++
		}
	}
	var lines []string
	for line, n := range count {
		if n > 1 {
			line += fmt.Sprint(" x", n)
		}
		lines = append(lines, strings.ReplaceAll(line, "Microsoft.", ""))
	}
	slices.Sort(lines)
	return lines
}

func byID(res *arm.Result) map[string]*arm.Resource {
	m := map[string]*arm.Resource{}
	for i, r := range res.Resources {
		m[strings.ToLower(r.ID)] = &res.Resources[i]
	}
	return m
}

// changed are the places where two values differ; app settings go by their names.
func changed(at string, a, b any) (places []string) {
	if strings.HasSuffix(at, ".appSettings") {
		return changed("setting", settingsByName(a), settingsByName(b))
	}
	x, ok1 := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok1 || !ok2 {
		if fmt.Sprint(a) != fmt.Sprint(b) {
			places = []string{strings.TrimPrefix(strings.TrimPrefix(at, "."), "properties.")}
		}
		return places
	}
	all := maps.Clone(x)
	maps.Copy(all, y)
	for name := range all {
		if strings.HasPrefix(name, "/") { // an id as a name
			places = append(places, changed(".identity", x[name], y[name])...)
			continue
		}
		places = append(places, changed(at+"."+name, x[name], y[name])...)
	}
	return places
}

func settingsByName(v any) any {
	m := map[string]any{}
	for _, s := range v.([]any) {
		m[dig(s, "name").(string)] = dig(s, "value")
	}
	return m
}

// TestEveryOptionIsTried: each parameter of the template that is no connector's is given
// by some deployment of the table.
func TestEveryOptionIsTried(t *testing.T) {
	template, err := os.ReadFile(filepath.Join(root, "infra", "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	parameters, err := arm.Parameters(template)
	if err != nil {
		t.Fatal(err)
	}
	list, err := deployments()
	if err != nil {
		t.Fatal(err)
	}
	cs, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		for _, s := range c.Settings {
			delete(parameters, c.ParameterName(s.Name))
		}
	}
	for name, p := range parameters {
		def, _ := json.Marshal(p.Default)
		if !slices.ContainsFunc(list, func(d deployedCase) bool {
			given, _ := json.Marshal(d.params[name])
			return d.params[name] != nil && string(given) != string(def)
		}) {
			t.Errorf("no deployment gives the parameter %s", name)
		}
	}
}
