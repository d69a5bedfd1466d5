package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

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
