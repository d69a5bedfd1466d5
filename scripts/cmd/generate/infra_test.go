package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/arm"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// deployedCase is a template with what somebody chose.
type deployedCase struct {
	name     string
	template string // below infra/
	cloud    string
	params   map[string]any
	secrets  map[string]string // parameter by value
}

const (
	workspaceID = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/sentinel"
	otherID     = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops"
	packageURI  = "https://github.com/sluice-connectors/sluice/releases/download/v1.2.3/sluice-functions.zip"
	longName    = "a-name-that-is-sixty-three-characters-long-as-some-people-have1"
	name24      = "abcdefghijklmnopqrstuvwx"
)

// cases are the variants that every check goes through: both networks, all plans
// and clouds, names of 24 and 63 characters, all connectors and single ones.
func cases(t *testing.T) []deployedCase {
	t.Helper()
	list, err := allCases()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var allCases = sync.OnceValues(func() ([]deployedCase, error) {
	cs, err := connectors.All()
	if err != nil {
		return nil, err
	}
	var all []any
	for _, c := range cs {
		all = append(all, c.Name)
	}
	private := map[string]any{"network": "private"}
	list := []deployedCase{
		{name: "all", params: map[string]any{"connectors": all, "insightsWorkspaceId": otherID, "readBack": true, "legacyNames": true, "retention": 90, "totalRetention": 730}},
		{name: "none yet", params: map[string]any{"connectors": []any{}}},
		{name: "private", params: withParams(private, "connectors", []any{"okta", "cisco-duo"}, "insightsWorkspaceId", otherID, "name", longName)},
		{name: "own network", params: withParams(private, "connectors", []any{"okta"}, "appSubnetId", otherNet+"/subnets/a", "endpointSubnetId", otherNet+"/subnets/e", "dnsZones", false, "privateLinkScopeId", otherScope)},
		{name: "premium", params: map[string]any{"connectors": []any{"github"}, "plan": "premium", "name": name24}},
		{name: "dedicated in private", params: withParams(private, "connectors", []any{"wiz"}, "plan", "dedicated")},
		{name: "US Government", cloud: "AzureUSGovernment", params: withParams(private, "connectors", []any{"okta"}, "plan", "premium")},
		{name: "China", cloud: "AzureChinaCloud", params: withParams(private, "connectors", []any{"office365"}, "plan", "dedicated")},
		{name: "no roles", params: map[string]any{"connectors": []any{"okta"}, "assignRoles": false, "sentinelContent": false, "schedule": "0 0 * * * *", "schedules": map[string]any{"okta": "0 */2 * * * *"}}},
	}
	for _, c := range cs {
		list = append(list, deployedCase{name: "only " + c.Name, template: "connectors/" + c.Name + "/", params: map[string]any{"name": "s1"}})
	}
	for i := range list {
		list[i].complete(cs)
	}
	return list, nil
})

const (
	otherNet   = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub"
	otherScope = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/hub/providers/Microsoft.Insights/privateLinkScopes/hub"
)

func withParams(m map[string]any, pairs ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// complete fills in what every deployment has, and a value for each setting of the
// connectors that were chosen.
func (d *deployedCase) complete(cs []*spec.Connector) {
	d.cloud = max(d.cloud, "AzureCloud")
	d.params = maps.Clone(d.params)
	d.params["workspaceId"], d.params["packageUri"], d.params["packageSha256"] = workspaceID, packageURI, strings.Repeat("ab", 32)
	d.params["tags"] = map[string]any{"costCenter": "soc"}
	d.secrets = map[string]string{}
	for _, c := range cs {
		if d.template != "" && !strings.Contains(d.template, "/"+c.Name+"/") || d.template == "" && !slices.Contains(d.params["connectors"].([]any), any(c.Name)) {
			continue
		}
		for _, s := range deployedOf(c).Params {
			value := settingValue(c.Name, s.Setting)
			if s.Secret {
				d.secrets[s.Name] = value
			}
			d.params[s.Name] = value
		}
	}
}

// settingValue is a value that a setting accepts; one of a secret is like no other.
func settingValue(connector string, s spec.Setting) string {
	for _, v := range []string{s.Default, "canary-" + connector + "-" + s.Name, "contoso.example.com", "canary_" + connector, "12345", "11111111-1111-1111-1111-111111111111", "us1", "https://contoso.example.com", strings.Repeat("0a", 16), "api.contoso.example.com"} {
		if v != "" && (s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(v)) {
			return v
		}
	}
	return "canary-" + connector + "-" + s.Name
}

// unique stands for uniqueString: 13 letters and digits.
func unique(parts ...string) string {
	h := fnv.New64a()
	h.Write([]byte(strings.Join(parts, "\x00")))
	return (strconv.FormatUint(h.Sum64(), 36) + "0000000000000")[:13]
}

// expanded are the cases that were worked out already; nobody changes them.
var expanded = map[string]*arm.Result{}

// expand works out a case.
func expand(t *testing.T, d deployedCase) *arm.Result {
	t.Helper()
	key := fmt.Sprint(d.name, d.params["name"])
	if res := expanded[key]; res != nil {
		return res
	}
	data, err := os.ReadFile(filepath.Join(root, "infra", filepath.FromSlash(d.template), "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := arm.Expand(data, d.params, arm.Scope{Cloud: d.cloud, Tenant: "33333333-3333-3333-3333-333333333333",
		Subscription: "22222222-2222-2222-2222-222222222222", Group: "sluice", Location: "westeurope", Deployment: "main"}, unique)
	if err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	expanded[key] = res
	return res
}

// each runs a check over all cases.
func each(t *testing.T, check func(t *testing.T, d deployedCase, res *arm.Result)) {
	for _, d := range cases(t) {
		t.Run(strings.ReplaceAll(d.name, " ", "_"), func(t *testing.T) { check(t, d, expand(t, d)) })
	}
}

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

// TestWhatIsNoWorkspaceIsRefusedInWords, and not somewhere in the middle.
func TestWhatIsNoWorkspaceIsRefusedInWords(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "infra", "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"my-workspace-has-a-name", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"} {
		_, err := arm.Expand(data, map[string]any{"workspaceId": id, "connectors": []any{"okta"}}, arm.Scope{Cloud: "AzureCloud", Subscription: "s", Group: "g", Location: "l", Deployment: "main"}, unique)
		if err == nil || !strings.Contains(err.Error(), "workspaceId is no resource id") {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// unchecked are the types for which the official schemas have none.
var unchecked = map[string]string{
	"Microsoft.Insights/workbooks":                          "not among the schemas",
	"Microsoft.Insights/privateLinkScopes":                  "not among the schemas",
	"Microsoft.Insights/privateLinkScopes/scopedResources":  "not among the schemas",
	"Microsoft.Network/privateDnsZones":                     "not among the schemas",
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks": "not among the schemas",
}

// definitions are where the schemas have a type only as a definition.
var definitions = map[string]string{
	"Microsoft.SecurityInsights/dataConnectorDefinitions": "2025-09-01/Microsoft.SecurityInsights.json#/definitions/CustomizableConnectorUiConfig",
	"Microsoft.SecurityInsights/alertRules":               "2025-09-01/Microsoft.SecurityInsights.json#/definitions/ScheduledAlertRuleProperties",
}

// TestTemplatesFitAzuresSchemas validates each resource, worked out, against the
// official schema of its type and version, where these are at hand.
func TestTemplatesFitAzuresSchemas(t *testing.T) {
	dir := filepath.Join(root, "..", "shared", "data", "arm")
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Skip("the official schemas are not at hand")
	}
	var index map[string][]string
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(armLoader(dir))
	done := map[string]bool{}
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		for _, r := range res.Resources {
			if unchecked[r.Type] != "" {
				continue
			}
			key := r.Type + "@" + r.APIVersion
			schema, v := definitions[r.Type], any(nil)
			if schema != "" {
				v = r.Body["properties"]
				if cfg, ok := v.(map[string]any)["connectorUiConfig"]; ok {
					v = cfg
				}
			} else {
				version := schemaVersion(index, r.Type, r.APIVersion)
				if version == "" {
					t.Fatalf("there is no schema of %s", key)
				}
				schema = index[r.Type+"@"+version][0]
				body := map[string]any{"type": r.Type, "apiVersion": version, "name": r.Name}
				maps.Copy(body, r.Body)
				v = body
			}
			v = withoutFalseAlarms(r.Type, plainJSON(t, v))
			text, _ := json.Marshal(v)
			if done[string(text)] {
				continue
			}
			done[string(text)] = true
			s, err := c.Compile("https://schema.management.azure.com/schemas/" + schema)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(v); err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
		}
	})
}

// schemaVersion is the version of a type whose schema is at hand: the one asked for,
// else the newest before it, which has all that was there then.
func schemaVersion(index map[string][]string, typ, version string) (found string) {
	for key := range index {
		if v, ok := strings.CutPrefix(key, typ+"@"); ok && v <= version && v > found {
			found = v
		}
	}
	return found
}

// plainJSON is a value as JSON has it.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// withoutFalseAlarms takes out what the schemas do not know and the service does:
// the kind Direct of rules and the streams of one's own; samples on cards, which
// Microsoft's own have too; the properties of one deploy; a name that the schema
// wants without that of its parent; an identity without properties; the text of an integer that is unknown yet.
func withoutFalseAlarms(typ string, v any) any {
	r := v.(map[string]any)
	props, _ := r["properties"].(map[string]any)
	switch typ {
	case "Microsoft.Insights/dataCollectionRules":
		delete(r, "kind")
		for _, f := range props["dataFlows"].([]any) {
			f.(map[string]any)["streams"] = []any{"Microsoft-Event"}
		}
	case "Microsoft.SecurityInsights/dataConnectorDefinitions":
		delete(r, "sampleQueries")
	case "Microsoft.ManagedIdentity/userAssignedIdentities":
		r["properties"] = map[string]any{}
	case "Microsoft.Web/sites/extensions":
		delete(r, "properties")
	}
	if name, ok := r["name"].(string); ok && !strings.HasSuffix(name, "/onedeploy") && !strings.HasSuffix(name, "/default") {
		r["name"] = name[strings.LastIndexByte(name, '/')+1:]
	}
	for k, x := range props { // null is the same as nothing
		if x == nil {
			delete(props, k)
		}
	}
	return r
}

// armLoader finds Azure's schemas in a folder.
type armLoader string

func (l armLoader) Load(url string) (any, error) {
	name, ok := strings.CutPrefix(strings.Replace(url, "http://", "https://", 1), "https://schema.management.azure.com/schemas/")
	if !ok {
		return nil, fmt.Errorf("no schema at %s", url)
	}
	data, err := os.ReadFile(filepath.Join(string(l), filepath.FromSlash(strings.TrimSuffix(name, "#"))))
	if err != nil {
		return nil, err
	}
	// Go's regular expressions do not look ahead; the one place that does forbids
	// two hyphens in a row.
	return jsonschema.UnmarshalJSON(strings.NewReader(strings.ReplaceAll(string(data), "(?!-)", "")))
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
		for _, r := range res.Resources {
			if r.Type != "Microsoft.Insights/dataCollectionRules" {
				continue
			}
			streams := dig(r.Body, "properties", "streamDeclarations").(map[string]any)
			flows := dig(r.Body, "properties", "dataFlows").([]any)
			if len(streams) > ruleStreams || len(flows) > ruleStreams || len(flows) != len(streams) {
				t.Errorf("%s has %d streams and %d flows", r.Name, len(streams), len(flows))
			}
			if fmt.Sprint(r.Body["location"]) != "‹sentinel.location›" {
				t.Errorf("%s is in %v, and has to be where the workspace is", r.Name, r.Body["location"])
			}
			for name, s := range streams {
				for _, c := range dig(s, "columns").([]any) {
					if col := dig(c, "name").(string); !tables[name][col] {
						t.Errorf("%s: stream %s declares %s, which its table lacks", r.Name, name, col)
					}
				}
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

// legal are the names that Azure accepts (learn.microsoft.com, "Naming rules and
// restrictions for Azure resources").
var legal = map[string]string{
	"Microsoft.Storage/storageAccounts":                         `^[a-z0-9]{3,24}$`,
	"Microsoft.KeyVault/vaults":                                 `^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$`,
	"Microsoft.KeyVault/vaults/secrets":                         `^[A-Za-z0-9-]{1,127}$`,
	"Microsoft.Web/sites":                                       `^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]$`,
	"Microsoft.Web/serverfarms":                                 `^[A-Za-z0-9-]{1,60}$`,
	"Microsoft.ManagedIdentity/userAssignedIdentities":          `^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`,
	"Microsoft.Insights/dataCollectionRules":                    `^[A-Za-z0-9][A-Za-z0-9-]{2,62}[A-Za-z0-9]$`,
	"Microsoft.Insights/dataCollectionEndpoints":                `^[A-Za-z0-9][A-Za-z0-9-]{1,42}[A-Za-z0-9]$`,
	"Microsoft.Network/virtualNetworks":                         `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`,
	"Microsoft.Network/privateEndpoints":                        `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`,
	"Microsoft.OperationalInsights/workspaces/tables":           `^[A-Za-z0-9_-]{4,63}$`,
	"Microsoft.Storage/storageAccounts/blobServices/containers": `^[a-z0-9](-?[a-z0-9]){2,62}$`,
	"Microsoft.Authorization/roleAssignments":                   `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
	"Microsoft.SecurityInsights/alertRules":                     `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
	"Microsoft.OperationalInsights/workspaces/savedSearches":    `^[a-z0-9_-]{4,120}$`,
}

func TestNamesAreLegal(t *testing.T) {
	for name, long := range map[string]bool{"ab": false, "sluice": false, name24: false, longName: true, "UPPER-Case9": false} {
		each(t, func(t *testing.T, d deployedCase, _ *arm.Result) {
			d.params = withParams(d.params, "name", name)
			for _, r := range expand(t, d).Resources {
				pattern := legal[r.Type]
				if last := r.Name[strings.LastIndexByte(r.Name, '/')+1:]; pattern != "" && !regexp.MustCompile(pattern).MatchString(last) {
					t.Errorf("%q is no legal name of a %s (%v)", last, r.Type, long)
				}
			}
		})
	}
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
			if r.Type == "Microsoft.Insights/dataCollectionRules" && !rules[r.ID] && d.params["assignRoles"] != false {
				t.Errorf("nobody may send to %s", r.Name)
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

// blobs is what only Azure knows of an account's address.
var blobs = regexp.MustCompile(`‹(\w+)\.primaryEndpoints\.blob›`)

// site is the function app of a deployment with its settings.
func site(t *testing.T, res *arm.Result) (arm.Resource, map[string]string) {
	t.Helper()
	i := slices.IndexFunc(res.Resources, func(r arm.Resource) bool { return r.Type == "Microsoft.Web/sites" })
	if i < 0 {
		t.Fatal("there is no app")
	}
	app := res.Resources[i]
	settings := map[string]string{}
	for _, s := range dig(app.Body, "properties", "siteConfig", "appSettings").([]any) {
		name := dig(s, "name").(string)
		if _, ok := settings[name]; ok {
			t.Errorf("the setting %s is there twice", name)
		}
		settings[name] = blobs.ReplaceAllString(fmt.Sprint(dig(s, "value")), "https://$1.blob.core.windows.net/")
	}
	return app, settings
}

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
		code := slices.IndexFunc(res.Resources, func(r arm.Resource) bool { return r.Type == "Microsoft.Web/sites/extensions" })
		if dig(res.Resources[code].Body, "properties", "packageUri") != packageURI {
			t.Errorf("the package is %v", res.Resources[code].Body)
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

// onlyDeployed is what only a deployment has, as templates worked out show it.
var onlyDeployed = regexp.MustCompile("‹[^›]*›")

// standIn puts values in the place of those that only a deployment has.
func standIn(text string) string {
	return onlyDeployed.ReplaceAllStringFunc(text, func(s string) string {
		switch {
		case strings.HasSuffix(s, "immutableId›"):
			return "dcr-00000000000000000000000000000000"
		case strings.HasSuffix(s, "customerId›"):
			return "00000000-0000-0000-0000-000000000000"
		case strings.HasSuffix(s, "logsIngestion›"):
			return "https://rule.example"
		case strings.HasSuffix(s, "logsIngestion.endpoint›"):
			return "https://endpoint.example"
		}
		return s
	})
}

// TestSettingsStartTheConnectors reads the settings of each app as Sluice does, with
// Key Vault's references resolved as the platform does: each connector that was
// chosen is configured, its tables have rules, and every function has a schedule.
func TestSettingsStartTheConnectors(t *testing.T) {
	cs, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		app, settings := site(t, res)
		if dig(app.Body, "properties", "keyVaultReferenceIdentity") == nil {
			t.Error("no identity for Key Vault references")
		}
		resolve(t, res, settings)
		chosen := map[string]bool{}
		for _, c := range cs {
			on := strings.Contains(d.template, "/"+c.Name+"/")
			if list, ok := d.params["connectors"].([]any); ok {
				on = slices.Contains(list, any(c.Name))
			}
			chosen[c.Name] = on
			if settings[c.EnvName("schedule")] == "" {
				t.Errorf("the function of %s has no schedule: it would not be indexed", c.Name)
			}
			if off := settings["AzureWebJobs_"+c.FunctionName()+"_Disabled"] == "true"; off == on {
				t.Errorf("%s is switched off: %v", c.Name, off)
			}
		}
		if d.name == "no roles" && (settings["OKTA_SCHEDULE"] != "0 */2 * * * *" || settings["WIZ_SCHEDULE"] != "0 0 * * * *") {
			t.Errorf("schedules %s and %s", settings["OKTA_SCHEDULE"], settings["WIZ_SCHEDULE"])
		}
		if d.name == "none yet" {
			return
		}
		var environ []string
		for name, value := range settings {
			environ = append(environ, name+"="+standIn(value))
		}
		cfg, err := config.FromEnv(cs, environ, time.Now(), nil)
		if err == nil {
			err = cfg.Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, conn := range cfg.Connections {
			if !chosen[conn.Connector.Name] {
				t.Errorf("%s was not chosen", conn.Name)
			}
			delete(chosen, conn.Connector.Name)
		}
		for name, on := range chosen {
			if on {
				t.Errorf("%s does not run", name)
			}
		}
		if cfg.Workspace.Cloud != d.cloud || cfg.Workspace.Credential != "managed_identity" || !strings.HasSuffix(cfg.Store.Container, "sluice") || !strings.HasSuffix(cfg.Store.Quarantine, "quarantine") {
			t.Errorf("%+v %+v", cfg.Workspace, cfg.Store)
		}
		if at := cfg.Workspace.Rules["SluiceHealth_CL"].Endpoint; strings.Contains(at, "endpoint.example") != (d.params["network"] == "private") {
			t.Errorf("rows go to %s", at)
		}
	})
}

// TestASecretThatIsNotGivenStays: a later deployment without a secret makes none, and
// still refers to the one in the vault; one that is not required has to be named.
func TestASecretThatIsNotGivenStays(t *testing.T) {
	params := map[string]any{"workspaceId": workspaceID, "connectors": []any{"okta", "entra-id"}, "oktaDomain": "contoso.okta.com"}
	for kept, want := range map[string]bool{"": false, "entra-id-client-secret": true} {
		d := deployedCase{name: "again " + kept, cloud: "AzureCloud", params: withParams(params, "keptSecrets", []any{kept})}
		res := expand(t, d)
		_, settings := site(t, res)
		if !vaultReference.MatchString(settings["OKTA_API_TOKEN"]) || vaultReference.MatchString(settings["ENTRA_ID_CLIENT_SECRET"]) != want {
			t.Errorf("%q is kept: %s, %s", kept, settings["OKTA_API_TOKEN"], settings["ENTRA_ID_CLIENT_SECRET"])
		}
		if slices.ContainsFunc(res.Resources, func(r arm.Resource) bool { return r.Type == "Microsoft.KeyVault/vaults/secrets" }) {
			t.Error("a secret is written, though none was given")
		}
	}
}

var vaultReference = regexp.MustCompile(`^@Microsoft\.KeyVault\(SecretUri=https://([^/]+)/secrets/([^/)]+)\)$`)

// resolve puts secrets in the place of references to them.
func resolve(t *testing.T, res *arm.Result, settings map[string]string) {
	t.Helper()
	secrets := map[string]string{}
	for _, r := range res.Resources {
		if r.Type == "Microsoft.KeyVault/vaults/secrets" {
			secrets[r.Name] = dig(r.Body, "properties", "value").(string)
		}
	}
	for name, v := range settings {
		m := vaultReference.FindStringSubmatch(v)
		if m == nil {
			if strings.HasPrefix(v, "@") {
				t.Errorf("%s is %s", name, v)
			}
			continue
		}
		vault, _, _ := strings.Cut(m[1], ".")
		value, ok := secrets[vault+"/"+m[2]]
		if !ok {
			t.Errorf("%s refers to a secret that is not made: %s", name, v)
		}
		settings[name] = value
	}
}

// TestTemplateLimits: Azure takes templates of 4 MB with 256 parameters and 64 outputs,
// and expressions of 24,576 characters.
func TestTemplateLimits(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root, "infra", "connectors", "*", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range append(paths, filepath.Join(root, "infra", "azuredeploy.json")) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Parameters, Variables, Outputs map[string]any }
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		if len(data) > 4<<20 || len(doc.Parameters) > 256 || len(doc.Variables) > 256 || len(doc.Outputs) > 64 {
			t.Errorf("%s: %d bytes, %d parameters, %d variables", path, len(data), len(doc.Parameters), len(doc.Variables))
		}
		for _, line := range strings.Split(string(data), "\n") {
			if i := strings.Index(line, `"[`); i >= 0 && !strings.HasPrefix(line[i:], `"[[`) && len(line) > 24576 {
				t.Errorf("%s: an expression of %d characters", path, len(line))
			}
		}
	}
}

// TestTheContainerTemplateCompiles: no compiled form of it is kept, since it takes an
// image that only its user has.
func TestTheContainerTemplateCompiles(t *testing.T) {
	c, err := startCompiler(root)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	text, err := c.compile(filepath.Join(root, "infra", "container", "main.bicep"))
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]any{"image": "registry.example/sluice@sha256:0", "identityId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i",
		"settings": []any{map[string]any{"name": "OKTA_DOMAIN", "value": "contoso.okta.com"}},
		"secrets":  []any{map[string]any{"name": "OKTA_API_TOKEN", "secret": "okta-api-token", "uri": "https://v.vault.azure.net/secrets/okta-api-token"}}}
	res, err := arm.Expand([]byte(text), params, arm.Scope{Cloud: "AzureCloud", Subscription: "s", Group: "g", Location: "l", Deployment: "main"}, unique)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(res.Resources[1].Body)
	for _, want := range []string{`"env":[{"name":"OKTA_DOMAIN","value":"contoso.okta.com"},{"name":"OKTA_API_TOKEN","secretRef":"okta-api-token"}]`, `"keyVaultUrl":"https://v.vault.azure.net/secrets/okta-api-token"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the app is %s, want %s", b, want)
		}
	}
}
