package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// object is a JSON object of a template.
type object map[string]any

// Versions of the resource types, and the role that may send rows to a rule
// (learn.microsoft.com, "Azure built-in roles": Monitoring Metrics Publisher).
const (
	tableVersion = "2023-09-01"
	ruleVersion  = "2023-03-11"
	roleVersion  = "2022-04-01"
	publisher    = "3913510d-42f4-4e42-8a64-420c390055eb"
	ruleStreams  = 10 // streams that a rule can hold
)

// templateJSON is the ARM template of what a connector needs at the workspace:
// its tables and the health table, the rules that feed them, and the right to
// send to these rules. Its outputs are the app settings that follow.
func templateJSON(c *spec.Connector) (string, error) {
	tables := append(append([]spec.Table{}, c.Tables...), healthTable())
	doc := object{
		"$schema":        "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
		"contentVersion": "1.0.0.0",
		"metadata":       object{"generatedBy": "scripts/generate from connectors/" + c.Name + "/connector.yaml", "description": "Tables and data collection rules of " + c.Title + "."},
		"parameters": object{
			"workspace":   parameter("string", "Name of the Log Analytics workspace, in this resource group.", nil),
			"location":    parameter("string", "Region of the workspace; rules have to be in the same one.", "[resourceGroup().location]"),
			"principalId": parameter("string", "Object id of the identity that sends rows. Empty: the role is assigned elsewhere.", ""),
		},
	}
	var resources []object
	var tableIDs []string
	for i := range tables {
		if strings.HasSuffix(tables[i].Name, "_CL") { // Azure's own tables exist
			resources = append(resources, tableResource(&tables[i]))
			tableIDs = append(tableIDs, fmt.Sprintf("[resourceId('Microsoft.OperationalInsights/workspaces/tables', parameters('workspace'), '%s')]", tables[i].Name))
		}
	}
	rules := object{}
	for n := 0; n*ruleStreams < len(tables); n++ {
		name := fmt.Sprintf("sluice-%s-%d", c.Name, n+1)
		part := tables[n*ruleStreams : min((n+1)*ruleStreams, len(tables))]
		resources = append(resources, ruleResource(name, part, tableIDs), roleResource(name))
		for _, t := range part {
			rules[t.Name] = object{"id": "[reference(" + ruleID(name) + ", '" + ruleVersion + "').immutableId]", "stream": "Custom-" + t.Name}
		}
	}
	doc["resources"] = resources
	doc["outputs"] = object{
		"SLUICE_ENDPOINT": object{"type": "string", "value": "[reference(" + ruleID("sluice-"+c.Name+"-1") + ", '" + ruleVersion + "').endpoints.logsIngestion]"},
		"SLUICE_RULES":    object{"type": "object", "value": rules},
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	return string(b) + "\n", err
}

func parameter(typ, description string, value any) object {
	p := object{"type": typ, "metadata": object{"description": description}}
	if value != nil {
		p["defaultValue"] = value
	}
	return p
}

func healthTable() spec.Table {
	t := spec.Table{Name: "SluiceHealth_CL", Description: "A row for each stream and run of Sluice."}
	for _, c := range engine.HealthColumns {
		t.Columns = append(t.Columns, spec.Column{Name: c.Name, Type: c.Type, Description: c.Description})
	}
	return t
}

// columns are those of the engine too, except for the health table.
func columns(t *spec.Table) []spec.Column {
	if t.Name == "SluiceHealth_CL" {
		return t.Columns
	}
	return t.AllColumns()
}

// tableTypes are the spellings of tables and of DCR streams where they differ
// from KQL's; a stream has no guid.
var (
	tableTypes  = map[string]string{"bool": "boolean", "datetime": "dateTime"}
	streamTypes = map[string]string{"bool": "boolean", "guid": "string"}
)

func spelled(types map[string]string, t string) string {
	if s, ok := types[t]; ok {
		return s
	}
	return t
}

func tableResource(t *spec.Table) object {
	var cols []object
	for _, c := range columns(t) {
		col := object{"name": c.Name, "type": spelled(tableTypes, c.Type)}
		if c.Description != "" {
			col["description"] = c.Description
		}
		cols = append(cols, col)
	}
	return object{
		"type": "Microsoft.OperationalInsights/workspaces/tables", "apiVersion": tableVersion,
		"name":       "[format('{0}/{1}', parameters('workspace'), '" + t.Name + "')]",
		"properties": object{"schema": object{"name": t.Name, "description": t.Description, "columns": cols}},
	}
}

func ruleID(name string) string {
	return "resourceId('Microsoft.Insights/dataCollectionRules', '" + name + "')"
}

func ruleResource(name string, tables []spec.Table, dependsOn []string) object {
	streams := object{}
	var flows []object
	for i := range tables {
		t := &tables[i]
		var cols []object
		for _, c := range columns(t) {
			cols = append(cols, object{"name": c.Name, "type": spelled(streamTypes, c.Type)})
		}
		streams["Custom-"+t.Name] = object{"columns": cols}
		out := "Custom-" + t.Name
		if !strings.HasSuffix(t.Name, "_CL") {
			out = "Microsoft-" + t.Name
		}
		flows = append(flows, object{"streams": []string{"Custom-" + t.Name}, "destinations": []string{"workspace"}, "transformKql": "source", "outputStream": out})
	}
	return object{
		"type": "Microsoft.Insights/dataCollectionRules", "apiVersion": ruleVersion, "name": name,
		"location": "[parameters('location')]", "kind": "Direct", "dependsOn": dependsOn,
		"properties": object{
			"streamDeclarations": streams,
			"destinations": object{"logAnalytics": []object{{"name": "workspace",
				"workspaceResourceId": "[resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace'))]"}}},
			"dataFlows": flows,
		},
	}
}

func roleResource(rule string) object {
	return object{
		"type": "Microsoft.Authorization/roleAssignments", "apiVersion": roleVersion,
		"condition": "[not(empty(parameters('principalId')))]",
		"scope":     "[" + ruleID(rule) + "]",
		"name":      "[guid(" + ruleID(rule) + ", parameters('principalId'), '" + publisher + "')]",
		"dependsOn": []string{"[" + ruleID(rule) + "]"},
		"properties": object{
			"roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '" + publisher + "')]",
			"principalId":      "[parameters('principalId')]", "principalType": "ServicePrincipal",
		},
	}
}
