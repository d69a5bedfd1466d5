package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// control is an element of the portal's form.
func control(name, typ, label string, more ...member) object {
	return append(object{{Name: "name", Value: name}, {Name: "type", Value: typ}, {Name: "label", Value: label}}, more...)
}

func with(name string, v any) member { return member{Name: name, Value: v} }

func choice(pairs ...string) (values list) {
	for i := 0; i < len(pairs); i += 2 {
		values = append(values, object{{Name: "label", Value: pairs[i]}, {Name: "value", Value: pairs[i+1]}})
	}
	return values
}

// formJSON is the form that the portal shows for a template: its outputs are the
// template's parameters.
func formJSON(d deployment) (string, error) {
	params := object{
		with("workspaceId", "[steps('basics').workspace.id]"),
		with("location", "[steps('basics').place.location.name]"),
		with("name", "[steps('basics').name]"),
	}
	steps := list{basics()}
	collect := list{}
	if d.Choice {
		params = append(params, with("connectors", "[steps('collect').connectors]"))
		var values []string
		for _, c := range d.Connectors {
			values = append(values, c.Title, c.Name)
		}
		collect = append(collect, control("connectors", "Microsoft.Common.DropDown", "Connectors",
			with("toolTip", "What to collect. More can be added later by deploying again."), with("multiselect", true), with("selectAll", false), with("filter", true), with("multiLine", true),
			with("constraints", object{with("allowedValues", choice(values...)), with("required", true)})))
	}
	for _, c := range d.Connectors {
		if len(c.Params) == 0 {
			continue
		}
		section := control(c.Symbol, "Microsoft.Common.Section", c.Title)
		if d.Choice {
			section = append(section, with("visible", "[contains(steps('collect').connectors, '"+c.Name+"')]"))
		}
		var elements list
		for _, s := range c.Params {
			elements = append(elements, s.control())
			params = append(params, with(s.Name, "[coalesce(steps('collect')."+c.Symbol+"."+s.Name+", '"+s.Default+"')]"))
		}
		collect = append(collect, append(section, with("elements", elements)))
	}
	collect = append(collect,
		control("schedule", "Microsoft.Common.DropDown", "Schedule", with("defaultValue", "As each connector recommends"), with("toolTip", "When to collect. Times are in UTC."),
			with("constraints", object{with("allowedValues", choice("As each connector recommends", "", "Every 5 minutes", "0 */5 * * * *", "Every 15 minutes", "0 */15 * * * *", "Every hour", "0 0 * * * *")), with("required", false)})),
		control("lookback", "Microsoft.Common.DropDown", "First run begins", with("defaultValue", "A day back"), with("toolTip", "The provider has to keep records that long. Older ones: sluice backfill."),
			with("constraints", object{with("allowedValues", choice("Now", "-1h", "A day back", "-24h", "A week back", "-7d", "30 days back", "-30d")), with("required", true)})))
	steps = append(steps, object{with("name", "collect"), with("label", "Collect"), with("elements", collect)}, hosting(), content(d))
	params = append(params, with("schedule", "[steps('collect').schedule]"), with("lookback", "[steps('collect').lookback]"))
	for _, name := range []string{"plan", "planId", "network", "addressPrefix", "appSubnetId", "endpointSubnetId", "dnsZones", "privateLinkScopeId", "identityId", "storageId", "vaultId", "recoverVault"} {
		params = append(params, with(name, hostingOutputs[name]))
	}
	params = append(params,
		with("insightsWorkspaceId", "[if(equals(steps('content').insights, 'none'), '', coalesce(steps('content').insightsWorkspace.id, ''))]"),
		with("assignRoles", "[steps('content').assignRoles]"), with("readBack", "[steps('content').readBack]"), with("sentinelContent", "[steps('content').sentinelContent]"),
		with("retention", "[steps('content').retention]"), with("totalRetention", "[steps('content').totalRetention]"), with("tables", tablesOutput))
	if d.Functions != "" {
		params = append(params, with("parserFunctions", "[steps('content').parserFunctions]"))
	}
	doc := object{
		with("$schema", "https://schema.management.azure.com/schemas/2021-09-09/uiFormDefinition.schema.json#"),
		with("view", object{
			with("kind", "Form"),
			with("properties", object{with("title", d.Description), with("steps", steps)}),
			with("outputs", object{
				with("kind", "ResourceGroup"), with("location", "[steps('basics').place.location.name]"), with("resourceGroupId", "[steps('basics').place.resourceGroup.id]"),
				with("parameters", params),
			}),
		}),
	}
	return indented(doc)
}

func basics() object {
	return object{with("name", "basics"), with("label", "Basics"), with("elements", list{
		object{with("name", "place"), with("type", "Microsoft.Common.ResourceScope"), with("location", object{with("resourceTypes", list{"Microsoft.Web/sites"})})},
		control("workspace", "Microsoft.Solutions.ResourceSelector", "Workspace with Microsoft Sentinel", with("toolTip", "The Log Analytics workspace that rows go to. It gets tables; nothing else of it is changed."),
			with("resourceType", "Microsoft.OperationalInsights/workspaces"), with("constraints", object{with("required", true)})),
		control("name", "Microsoft.Common.TextBox", "Name", with("defaultValue", "sluice"), with("toolTip", "What has to be unique in the world gets a suffix."),
			with("constraints", object{with("required", true), with("regex", "^[A-Za-z][A-Za-z0-9-]{1,39}$"), with("validationMessage", "2 to 40 letters, digits and hyphens, a letter first.")})),
	})}
}

// control is the field for a setting: one whose text is hidden for a secret.
func (s setting) control() object {
	label := s.Label
	if label == "" {
		label = s.Setting.Name
	}
	constraints := object{with("required", s.Required && s.Default == "")}
	if s.Pattern != "" {
		constraints = append(constraints, with("regex", s.Pattern), with("validationMessage", "It has to match "+s.Pattern+". "+s.Help))
	}
	if s.Secret {
		return object{with("name", s.Name), with("type", "Microsoft.Common.PasswordBox"),
			with("label", object{with("password", label), with("confirmPassword", label+", again")}), with("toolTip", s.Description),
			with("constraints", constraints), with("options", object{with("hideConfirmation", true)})}
	}
	return control(s.Name, "Microsoft.Common.TextBox", label, with("defaultValue", s.Default), with("toolTip", s.Description), with("constraints", constraints))
}

const onPrivate = "[equals(steps('hosting').network, 'private')]"

// hostingOutputs are the parameters that the step hosting gives; what is not asked
// for in a public network is as the template has it.
var hostingOutputs = map[string]string{
	"plan":               "[steps('hosting').plan]",
	"network":            "[steps('hosting').network]",
	"addressPrefix":      "[coalesce(steps('hosting').addressPrefix, '10.78.0.0/24')]",
	"appSubnetId":        "[coalesce(steps('hosting').appSubnetId, '')]",
	"endpointSubnetId":   "[coalesce(steps('hosting').endpointSubnetId, '')]",
	"dnsZones":           "[coalesce(steps('hosting').dnsZones, true)]",
	"privateLinkScopeId": "[coalesce(steps('hosting').privateLinkScopeId, '')]",
	"planId":             "[coalesce(steps('hosting').existing.planId, '')]",
	"identityId":         "[coalesce(steps('hosting').existing.identityId, '')]",
	"storageId":          "[coalesce(steps('hosting').existing.storageId, '')]",
	"vaultId":            "[coalesce(steps('hosting').existing.vaultId, '')]",
	"recoverVault":       "[coalesce(steps('hosting').existing.recoverVault, false)]",
}

func hosting() object {
	private := with("visible", onPrivate)
	return object{with("name", "hosting"), with("label", "Hosting and network"), with("elements", list{
		control("plan", "Microsoft.Common.DropDown", "Plan", with("defaultValue", "Flex Consumption: paid by what it runs"),
			with("constraints", object{with("allowedValues", choice("Flex Consumption: paid by what it runs", "flex", "Premium EP1", "premium", "Dedicated B1", "dedicated")), with("required", true)})),
		control("network", "Microsoft.Common.OptionsGroup", "Network", with("defaultValue", "Public"), with("toolTip", "Private: storage, secrets, app and rows are reached through a network only; it costs more."),
			with("constraints", object{with("allowedValues", choice("Public", "public", "Private", "private")), with("required", true)})),
		control("addressPrefix", "Microsoft.Common.TextBox", "Addresses of the network that is made", with("defaultValue", "10.78.0.0/24"),
			with("constraints", object{with("required", true), with("regex", `^\d+\.\d+\.\d+\.0/(1[6-9]|2[0-4])$`), with("validationMessage", "A range of /24 or larger, such as 10.78.0.0/24.")}), private),
		control("appSubnetId", "Microsoft.Common.TextBox", "Existing subnet for the app (resource id)", with("toolTip", "Delegated to Microsoft.App/environments for Flex Consumption, else to Microsoft.Web/serverFarms. Empty: a network is made."),
			with("constraints", object{with("required", false)}), private),
		control("endpointSubnetId", "Microsoft.Common.TextBox", "Existing subnet for private endpoints (resource id)", with("constraints", object{with("required", false)}), private),
		append(question("Yes", "dnsZones", "Make the private DNS zones and link them", "Not where they are kept centrally."), private),
		control("privateLinkScopeId", "Microsoft.Common.TextBox", "Existing Azure Monitor private link scope (resource id)", with("toolTip", "A network can have one only."), with("constraints", object{with("required", false)}), private),
		existing(),
	})}
}

// existing asks for what is there already.
func existing() object {
	id := func(name, label, tip, typ string) object {
		return control(name, "Microsoft.Common.TextBox", label, with("toolTip", tip), with("placeholder", "/subscriptions/…/providers/"+typ+"/NAME"),
			with("constraints", object{with("required", false), with("regex", "^$|^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"+typ+"/[^/]+$"), with("validationMessage", "A resource id: /subscriptions/…/providers/"+typ+"/NAME.")}))
	}
	return control("existing", "Microsoft.Common.Section", "What exists already (resource ids; empty: it is made)", with("elements", list{
		id("identityId", "User-assigned identity", "The app runs as it.", "Microsoft.ManagedIdentity/userAssignedIdentities"),
		id("storageId", "Storage account", "It has to allow sign-in by Entra ID, and in a private network to be reachable from the app's subnet.", "Microsoft.Storage/storageAccounts"),
		id("vaultId", "Key Vault", "It has to go by roles, and in a private network to be reachable from the app's subnet.", "Microsoft.KeyVault/vaults"),
		id("planId", "Server plan", "Of the kind chosen above, in the region of the app.", "Microsoft.Web/serverfarms"),
		question("No", "recoverVault", "Recover the vault of a deployment that was deleted", "A deleted vault is kept for ninety days with its name. Yes: it comes back with its secrets."),
	}))
}

func content(d deployment) object {
	elements := list{
		question("Yes", "sentinelContent", "Cards, functions, alert rules and a workbook", "What shows in Microsoft Sentinel."),
		question("Yes", "assignRoles", "Assign roles to the app's identity", "It takes Owner, User Access Administrator or Role Based Access Control Administrator."),
		question("No", "readBack", "Let the app read the workspace", "For sluice reconcile and sluice verify."),
		days("retention", "Rows can be queried for", "As the workspace", 30, 90, 180, 365, 730),
		days("totalRetention", "Rows are kept in all for", "No longer than that", 180, 365, 730, 1095, 1826, 2556, 4383),
		plans(d),
		control("insights", "Microsoft.Common.DropDown", "The app's own logs", with("defaultValue", "None: "+sentinel.HealthTable+" tells what runs do"), with("toolTip", "Application Insights on a workspace that bills them."),
			with("constraints", object{with("allowedValues", choice("None: "+sentinel.HealthTable+" tells what runs do", "none", "Application Insights on a workspace", "workspace")), with("required", true)})),
		control("insightsWorkspace", "Microsoft.Solutions.ResourceSelector", "Workspace for the app's own logs", with("resourceType", "Microsoft.OperationalInsights/workspaces"),
			with("constraints", object{with("required", true)}), with("visible", "[equals(steps('content').insights, 'workspace')]")),
	}
	if d.Functions != "" {
		elements = append(elements, question("No", "parserFunctions", "Functions under the names of older tables", "Such as "+d.Functions+", with their columns, for Microsoft's parsers. A function hides a table of its name: only where there is none."))
	}
	return object{with("name", "content"), with("label", "Sentinel and access"), with("elements", elements)}
}

// plans asks how the rows of single tables are kept.
func plans(d deployment) object {
	var names list
	for _, c := range d.Connectors {
		for _, t := range c.Tables {
			names = append(names, object{with("label", t), with("value", t)})
		}
	}
	column := func(id, header, width string, values list) object {
		return object{with("id", id), with("header", header), with("width", width),
			with("element", object{with("type", "Microsoft.Common.DropDown"), with("constraints", object{with("allowedValues", values), with("required", true)})})}
	}
	total := list{object{with("label", "As all"), with("value", "0")}}
	for _, n := range []int{30, 90, 180, 365, 730, 1095, 1826, 2556, 4383} {
		total = append(total, object{with("label", fmt.Sprintf("%d days", n)), with("value", fmt.Sprint(n))})
	}
	return control("tables", "Microsoft.Common.EditableGrid", "Tables that are to be kept otherwise", with("ariaLabel", "Tables with a plan of their own. Basic and Auxiliary cost less; no analytics rule, function or query with a second table reads them. Auxiliary has to be chosen before a table is made."),
		with("constraints", object{with("width", "Full"), with("rows", object{with("count", object{with("min", 0), with("max", 100)})}), with("columns", list{
			column("name", "Table", "2fr", names),
			column("plan", "Plan", "1fr", choice("Analytics", "Analytics", "Basic", "Basic", "Auxiliary", "Auxiliary")),
			column("total", "Kept in all for", "1fr", total),
		})}))
}

// tablesOutput makes the template's parameter of the rows of plans: an object by table.
// The portal's functions join no lists (learn.microsoft.com, "CreateUiDefinition
// functions"), so that the text of one becomes that of an object.
const tablesOutput = "[parse(if(empty(steps('content').tables), '{}', replace(replace(replace(string(map(coalesce(steps('content').tables, parse('[]')), (t) => parse(concat('{\"', t.name, '\":{\"plan\":\"', t.plan, '\"', if(equals(t.total, '0'), '', concat(',\"totalRetention\":', t.total)), '}}')))), '}},{', '},'), '[', ''), ']', '')))]"

// days is a number of days, or 0 for what first says.
func days(name, label, first string, more ...int) object {
	values := list{object{with("label", first), with("value", 0)}}
	for _, n := range more {
		values = append(values, object{with("label", fmt.Sprintf("%d days", n)), with("value", n)})
	}
	return control(name, "Microsoft.Common.DropDown", label, with("defaultValue", first), with("constraints", object{with("allowedValues", values), with("required", true)}))
}

// question is answered with Yes or No.
func question(answer, name, label, tip string) object {
	return control(name, "Microsoft.Common.OptionsGroup", label, with("defaultValue", answer), with("toolTip", tip),
		with("constraints", object{with("allowedValues", list{object{with("label", "Yes"), with("value", true)}, object{with("label", "No"), with("value", false)}}), with("required", true)}))
}

// indented writes JSON for files of the project.
func indented(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.String(), err
}

// released is where the release's templates are: a branch to which only the
// release writes, with the address and digest of its package filled in.
const released = "https://raw.githubusercontent.com/sluice-connectors/sluice/release/infra/"

// button is the address of the portal's page that deploys a template: that of all
// connectors for "", or of one.
func button(connector string) string {
	at := released
	if connector != "" {
		at += "connectors/" + connector + "/"
	}
	return "https://portal.azure.com/#view/Microsoft_Azure_CreateUIDef/CustomDeploymentBlade/uri/" + escape(at+"azuredeploy.json") + "/uiFormDefinitionUri/" + escape(at+"form.json")
}

// escape encodes everything that a path segment cannot hold.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
