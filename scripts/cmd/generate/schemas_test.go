package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/azure/arm"
)

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

// azure are the schemas of what templates make.
func azure(t *testing.T) *official {
	return &official{
		file:   "azure.json",
		source: "github.com/Azure/azure-resource-manager-schemas at a1454431151fd3e9c1b254b1a11d00c2d8474611, below schemas/; MIT",
		base:   "https://schema.management.azure.com/schemas/",
		dir:    "arm",
		of:     azureSchema(),
		fit:    func(r any, of string) any { return checkedPart(t, r.(arm.Resource), of) },
	}
}

// azureSchema finds the schema of a type and version: that of the version, else of the
// newest before it, which has all that was there then.
func azureSchema() func(key string) string {
	var index map[string][]string
	return func(key string) (found string) {
		if index == nil {
			data, err := os.ReadFile(filepath.Join(root, "..", "shared", "data", "arm", "index.json"))
			if err == nil {
				err = json.Unmarshal(data, &index)
			}
			if err != nil {
				panic(err)
			}
		}
		typ, version, _ := strings.Cut(key, "@")
		if s := definitions[typ]; s != "" {
			return s
		}
		newest := ""
		for other, places := range index {
			if v, ok := strings.CutPrefix(other, typ+"@"); ok && v <= version && v > newest {
				newest, found = v, places[0]
			}
		}
		return found
	}
}

// TestTemplatesFitAzuresSchemas validates each resource, worked out, against the
// official schema of its type and version.
func TestTemplatesFitAzuresSchemas(t *testing.T) {
	o, n := azure(t), 0
	done := map[string]bool{}
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		n++
		for _, r := range res.Resources {
			key := r.Type + "@" + r.APIVersion
			if unchecked[r.Type] != "" || done[key+string(compact(t, r.Body))+r.Name] {
				continue
			}
			done[key+string(compact(t, r.Body))+r.Name] = true
			o.uses = append(o.uses, use{key, d.name + ": " + r.ID, r})
		}
	})
	if list, err := deployments(); err != nil || n < len(list) {
		t.Skipf("%d of %d deployments: what is used is known when all have run (%v)", n, len(list), err)
	}
	o.check(t)
}

// TestReviewedSnapshotsFitAzuresSchemas does the same, without the compiler, with the
// deployments that are kept worked out.
func TestReviewedSnapshotsFitAzuresSchemas(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root, "infra", "snapshots", "*.snapshot.json"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%d snapshots, %v", len(paths), err)
	}
	template, err := os.ReadFile(filepath.Join(root, "infra", "connectors", "okta", "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	o := azure(t)
	for _, path := range paths {
		var kept struct{ PredictedResources []any }
		readJSON(t, path, &kept)
		completed, err := arm.Complete(template, kept.PredictedResources, map[string]any{"oktaApiToken": "not-a-secret"}, scope("AzureCloud"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range completed {
			if r := resourceOf(c.(map[string]any)); r != nil && unchecked[r.Type] == "" {
				o.uses = append(o.uses, use{r.Type + "@" + r.APIVersion, filepath.Base(path) + ": " + r.ID, *r})
			}
		}
	}
	o.checkKept(t)
}

// checkedPart is the part of a resource that the schema is about, as JSON has it.
func checkedPart(t *testing.T, r arm.Resource, of string) map[string]any {
	v := map[string]any{"type": r.Type, "apiVersion": of[:strings.IndexByte(of, '/')], "name": r.Name}
	maps.Copy(v, r.Body)
	if definitions[r.Type] != "" {
		v = v["properties"].(map[string]any)
		if cfg, ok := v["connectorUiConfig"].(map[string]any); ok {
			v = cfg
		}
	}
	plain := plainJSON(t, v).(map[string]any)
	withoutFalseAlarms(r.Type, plain)
	return plain
}

// plainJSON is a value as JSON has it.
func plainJSON(t *testing.T, v any) (plain any) {
	t.Helper()
	if err := json.Unmarshal(compact(t, v), &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

func compact(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withoutFalseAlarms takes out what the schemas do not know and the service does:
// the kind Direct of rules and the streams of one's own; samples on cards, which
// Microsoft's own have too; the properties of one deploy; a name that the schema
// wants without that of its parent; an identity without properties; the text of an integer that is unknown yet.
func withoutFalseAlarms(typ string, r map[string]any) {
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
}

// TestTemplateLimits: Azure takes templates of 4 MB with 256 parameters and 64 outputs,
// and expressions of 24,576 characters (learn.microsoft.com, "Best practices for ARM
// templates": template limits, 2026).
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

// TestEverythingIsDescribed: each parameter, output and exported type of each template, and
// each member of a type.
func TestEverythingIsDescribed(t *testing.T) {
	paths, err := bicepFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		described, inType := false, false
		for i, line := range strings.Split(string(text), "\n") {
			inner := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(inner, "@description("):
				described = true
			case strings.HasPrefix(inner, "@") || strings.HasPrefix(inner, "//") || strings.HasPrefix(inner, "#"):
			case strings.HasPrefix(line, "param ") || strings.HasPrefix(line, "output ") || strings.HasPrefix(line, "type ") || inType && strings.HasPrefix(line, "  ") && strings.Contains(line, ": "):
				n++
				if !described {
					t.Errorf("%s:%d: nobody says what this is: %s", path, i+1, inner)
				}
				inType = strings.HasPrefix(line, "type ") && strings.HasSuffix(line, "{") || inType && strings.HasPrefix(line, "  ")
				described = false
			case line == "}":
				inType = false
			case inner != "":
				described = false
			}
		}
	}
	if n < 1000 {
		t.Errorf("%d descriptions", n)
	}
}
