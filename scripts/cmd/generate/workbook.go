package main

import (
	"strings"

	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// pricePerGB is what the workbook reckons with until someone sets another price:
// pay-as-you-go for analytics logs with Microsoft Sentinel, in US dollars, East US
// (azure.microsoft.com, "Microsoft Sentinel pricing", 2025).
const pricePerGB = "4.30"

// tile is a query of the workbook and how it is drawn.
type tile struct {
	title, query, chart string
	width               string // percent of the page
}

// tiles are the parts of the workbook.
func tiles(cs []*spec.Connector) []tile {
	var tables []string
	for _, c := range cs {
		for _, t := range c.Tables {
			tables = append(tables, `"`+t.Name+`"`)
		}
	}
	ours := strings.Join(append(tables, `"`+sentinel.HealthTable+`"`), ", ")
	return []tile{
		{"How each stream is", sentinel.HealthTable + `
| where Stream !contains "@"
| summarize arg_max(TimeGenerated, *) by SluiceConnection, Stream
| sort by SluiceConnection asc, TimeGenerated desc
| where isnotempty(Stream) or prev(SluiceConnection) != SluiceConnection
| project SluiceConnection, Stream, Outcome, Reason, Behind = BacklogSeconds * 1s, CompleteTo = Position, LastEventTime, LastRun = TimeGenerated, StalledRuns, Message, Version
| order by StalledRuns desc, Behind desc`, "table", "100"},
		{"Lag: how far behind, in minutes", sentinel.HealthTable + `
| where Stream !contains "@"
| summarize Minutes = max(BacklogSeconds) / 60.0 by bin(TimeGenerated, 15m), Series = strcat(SluiceConnection, "/", Stream)
| project TimeGenerated, Series, Minutes`, "linechart", "50"},
		{"Volume: rows acknowledged", sentinel.HealthTable + `
| where SluiceConnection != "sluice-verify"
| summarize Rows = sum(Acknowledged) by bin(TimeGenerated, 15m), SluiceConnection`, "barchart", "50"},
		{"Errors, by reason", sentinel.HealthTable + `
| where SluiceConnection != "sluice-verify" and (Outcome in ("failed", "stalled") or isnotempty(Reason))
| summarize Runs = count(), Last = max(TimeGenerated), Example = take_any(Message) by SluiceConnection, Stream, Reason
| order by Runs desc`, "table", "50"},
		{"What was not delivered as it came", sentinel.HealthTable + `
| where SluiceConnection != "sluice-verify"
| summarize Filtered = sum(Filtered), InQuarantine = sum(Quarantined), Truncated = sum(Truncated), ListedAgain = sum(Repeated) by SluiceConnection, Stream
| where Filtered + InQuarantine + Truncated > 0`, "table", "50"},
		{"Cost: GB and US dollars a day, by table", `Usage
| where IsBillable and DataType in (` + ours + `)
| summarize GB = sum(Quantity) / 1000 by Day = bin(TimeGenerated, 1d), DataType
| extend Dollars = GB * {Price}
| order by Day desc, GB desc`, "table", "50"},
		{"Rows that the service accepted and could not store", `union isfuzzy=true (datatable(TimeGenerated: datetime) []), DCRLogErrors
| summarize Errors = count() by bin(TimeGenerated, 1h)`, "barchart", "50"},
	}
}

// workbookJSON is the workbook in the form that the portal keeps it in.
func workbookJSON(cs []*spec.Connector) (string, error) {
	parameters := object{
		with("version", "KqlParameterItem/1.0"),
		with("parameters", list{
			object{with("id", "5b1f3a0e-8d3c-4f6c-9a55-2f1b6f0f0a01"), with("version", "KqlParameterItem/1.0"), with("name", "Time"), with("label", "Time"), with("type", 4),
				with("isRequired", true), with("value", object{with("durationMs", 86400000)}),
				with("typeSettings", object{with("selectableValues", list{object{with("durationMs", 14400000)}, object{with("durationMs", 86400000)}, object{with("durationMs", 604800000)}, object{with("durationMs", 2592000000)}}), with("allowCustom", true)})},
			object{with("id", "5b1f3a0e-8d3c-4f6c-9a55-2f1b6f0f0a02"), with("version", "KqlParameterItem/1.0"), with("name", "Price"), with("label", "US dollars per GB"), with("type", 1),
				with("isRequired", true), with("value", pricePerGB)},
		}),
		with("style", "pills"), with("queryType", 0), with("resourceType", "microsoft.operationalinsights/workspaces"),
	}
	items := list{
		object{with("type", 1), with("content", object{with("json", "# Sluice\nEvery record that a provider returns is acknowledged, filtered, or in quarantine. This page shows how far each stream is, and what it costs.")}), with("name", "title")},
		object{with("type", 9), with("content", parameters), with("name", "parameters")},
	}
	for _, t := range tiles(cs) {
		items = append(items, object{with("type", 3), with("content", object{
			with("version", "KqlItem/1.0"), with("query", t.query), with("size", 0), with("title", t.title),
			with("timeContextFromParameter", "Time"), with("queryType", 0), with("resourceType", "microsoft.operationalinsights/workspaces"), with("visualization", t.chart),
		}), with("customWidth", t.width), with("name", t.title)})
	}
	return indented(object{with("version", "Notebook/1.0"), with("items", items),
		with("fallbackResourceIds", list{}), with("$schema", "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json")})
}
