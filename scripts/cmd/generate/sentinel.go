package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

const (
	cardVersion = "2025-09-01"
	project     = "https://github.com/sluice-connectors/sluice"
)

// sentinelBicep has what shows of a connector in Microsoft Sentinel: its card in
// the gallery and functions over its tables.
func sentinelBicep(c *spec.Connector) string {
	s := connectorSource(c)
	f := newBicep(s, "What shows of "+c.Title+" in Microsoft Sentinel.")
	f.imported(s, s.kept)
	f.param("Name of the workspace, in this resource group.", "workspace", "string", "")
	f.param(tablesText, "tables", s.kept, "")
	if len(c.Functions) > 0 {
		f.param(parserFunctionsText, "parserFunctions", "bool", "")
	}
	f.printf("\nresource sentinel 'Microsoft.OperationalInsights/workspaces@%s' existing = {\n  name: workspace\n}\n", workspaceVersion)
	f.printf("\n// Tables that no rule, no function and no query with a second table reads.\nvar apart = map(filter(items(tables), t => (t.?value.?plan ?? 'Analytics') != 'Analytics'), t => t.key)\n")
	f.resource("card", "Microsoft.SecurityInsights/dataConnectorDefinitions@"+cardVersion, object{
		{Name: "scope", Value: code("sentinel")},
		{Name: "name", Value: "Sluice-" + c.Name},
		{Name: "kind", Value: "Customizable"},
		{Name: "properties", Value: object{{Name: "connectorUiConfig", Value: card(c)}}},
	})
	for i := range c.Tables {
		cond := ""
		if t := &c.Tables[i]; s.planned(t) {
			cond = together(t.Name)
		}
		f.function(eventsFunction(c.Tables[i].Name), onceQuery(c.Tables[i].Name), cond)
	}
	for _, old := range c.Functions {
		cond := "parserFunctions"
		for i := range c.Tables {
			if t := &c.Tables[i]; s.planned(t) && strings.Contains(old.KQL, t.Name) {
				cond += " && " + together(t.Name)
			}
		}
		f.function(old.Name, strings.TrimSpace(old.KQL), cond)
	}
	return f.String()
}

// parserFunctionsText says what the functions of a connector's functions: are.
const parserFunctionsText = "Functions under the names of older tables, with their columns, for the parsers of Microsoft. A function hides a table of its name: only where there is none."

// together is the condition that a table is not apart.
func together(table string) string { return "!contains(apart, " + literal(table) + ")" }

// apartText is what a card says of tables whose plan is not Analytics
// (learn.microsoft.com, "Query data in a Basic and Auxiliary table in Azure Monitor Logs").
const apartText = "\\n\\n**${join(apart, ', ')}** has the plan Basic or Auxiliary: analytics rules, functions and queries with a second table do not read it. Query it by itself, with the time range of the query window."

// described is the text of a card, with what is to be said of tables apart.
func described(text string) code {
	return code(strings.TrimSuffix(literal(text), "'") + "${empty(apart) ? '' : '" + apartText + "'}'")
}

// sentQuery finds the runs that sent rows to a table; it serves cards where the table
// itself cannot be read by them.
func sentQuery(c *spec.Connector, table string) string {
	var streams []string
	for _, s := range c.Streams {
		if s.Table == table {
			streams = append(streams, `"`+s.Name+`"`)
		}
	}
	return sentinel.HealthTable + "\n| where Connector == \"" + c.Name + "\" and Stream in (" + strings.Join(streams, ", ") + ") and Acknowledged > 0"
}

// readOrSent is a query over a table of the plan Analytics, and what stands for it of another.
func readOrSent(t *spec.Table, own, sent string) any {
	if !custom(t) {
		return own
	}
	return code("contains(apart, " + literal(t.Name) + ") ? " + literal(sent) + " : " + literal(own))
}

// function is a saved function of the workspace. The etag lets a later
// deployment replace it.
func (f *bicepFile) function(alias, query, cond string) {
	if cond != "" {
		cond = "if (" + cond + ") "
	}
	body := object{
		{Name: "parent", Value: code("sentinel")},
		{Name: "name", Value: "sluice-" + strings.ToLower(alias)},
		{Name: "etag", Value: "*"},
		{Name: "properties", Value: object{
			{Name: "category", Value: "Sluice"}, {Name: "displayName", Value: alias}, {Name: "functionAlias", Value: alias},
			{Name: "query", Value: query}, {Name: "version", Value: 2},
		}},
	}
	f.printf("\nresource %s 'Microsoft.OperationalInsights/workspaces/savedSearches@%s' = %s%s\n", symbol("f", alias), workspaceVersion, cond, printed(body, ""))
}

// eventsFunction is the function that returns each event of a table once.
func eventsFunction(table string) string { return strings.TrimSuffix(table, "_CL") + "_Events" }

func onceQuery(table string) string {
	return table + "\n| where not(EventUid startswith \"" + sentinel.CanaryPrefix + "\")\n| summarize take_any(*) by SluiceConnection, EventUid"
}

// connectedQuery tells by the heartbeat whether a connector works: its rows may be
// silent for good reasons. A schedule of one's own may be slower than the connector's,
// so a day passes at least; the alert rule on silence goes by the real one.
func connectedQuery(c *spec.Connector) string {
	return fmt.Sprintf(sentinel.HealthTable+"\n| where Connector == \"%s\" and Stream !contains \"@\" and Outcome in (\"ok\", \"partial\")\n"+
		"| summarize LastSuccess = max(TimeGenerated)\n| project IsConnected = LastSuccess > ago(%s)", c.Name, kqlTime(max(24*time.Hour, 3*interval(c.Schedule))))
}

func card(c *spec.Connector) object {
	var graphs, types, samples list
	for i := range c.Tables {
		t := &c.Tables[i]
		sent := sentQuery(c, t.Name)
		const last = "\n| summarize Time = max(TimeGenerated)\n| where isnotempty(Time)"
		graphs = append(graphs, object{{Name: "metricName", Value: readOrSent(t, "Rows received", "Runs that sent rows")}, {Name: "legend", Value: t.Name}, {Name: "baseQuery", Value: readOrSent(t, t.Name, sent)}})
		types = append(types, object{{Name: "name", Value: t.Name}, {Name: "lastDataReceivedQuery", Value: readOrSent(t, t.Name+last, sent+last)}})
	}
	for _, q := range c.Queries {
		samples = append(samples, object{{Name: "description", Value: q.Title}, {Name: "query", Value: strings.TrimSpace(q.KQL)}})
	}
	return object{
		{Name: "id", Value: "Sluice-" + c.Name},
		{Name: "title", Value: c.Title + " (Sluice)"},
		{Name: "publisher", Value: c.Publisher},
		{Name: "descriptionMarkdown", Value: described(strings.TrimSpace(c.Description) + "\n\nSupport: " + c.Support.Tier + ", " + c.Support.Contact)},
		{Name: "graphQueries", Value: graphs},
		{Name: "sampleQueries", Value: samples, Note: "#disable-next-line BCP037 // the type does not have it, and Microsoft's own cards do"},
		{Name: "dataTypes", Value: types},
		{Name: "connectivityCriteria", Value: list{object{{Name: "type", Value: "IsConnectedQuery"}, {Name: "value", Value: list{connectedQuery(c)}}}}},
		{Name: "availability", Value: object{{Name: "status", Value: 1}, {Name: "isPreview", Value: false}}},
		{Name: "permissions", Value: permissions(c)},
		{Name: "instructionSteps", Value: steps(c)},
	}
}

func permissions(c *spec.Connector) object {
	var customs list
	for _, p := range c.Prerequisites {
		customs = append(customs, object{{Name: "name", Value: c.Title}, {Name: "description", Value: p}})
	}
	return object{
		{Name: "resourceProvider", Value: list{object{
			{Name: "provider", Value: "Microsoft.OperationalInsights/workspaces"},
			{Name: "permissionsDisplayText", Value: "read and write permissions on the workspace are required."},
			{Name: "providerDisplayName", Value: "Workspace"}, {Name: "scope", Value: "Workspace"},
			{Name: "requiredPermissions", Value: object{{Name: "read", Value: true}, {Name: "write", Value: true}, {Name: "delete", Value: true}}},
		}}},
		{Name: "customs", Value: customs},
	}
}

// steps are what to do at the provider, as a numbered list, and then to deploy.
func steps(c *spec.Connector) list {
	var l list
	if len(c.Instructions) > 0 {
		var text strings.Builder
		for i, s := range c.Instructions {
			fmt.Fprintf(&text, "%d. %s\n", i+1, s)
		}
		description := member{Name: "description", Value: text.String()}
		if strings.Contains(text.String(), "login.microsoftonline.com") {
			description.Note = "#disable-next-line no-hardcoded-env-urls // a text for people"
		}
		l = append(l, object{{Name: "title", Value: "Prepare " + c.Title}, description})
	}
	return append(l, object{
		{Name: "title", Value: "Deploy Sluice with this connector"},
		{Name: "description", Value: "[Deploy to Azure](" + button(c.Name) + "), or add the connector to an app that you have with `sluice deploy apply`. " +
			"[Each setting and column](" + project + "/blob/main/connectors/" + c.Name + "/README.md)."},
	})
}
