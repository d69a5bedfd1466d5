package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/azure/arm"
	"github.com/sluice-connectors/sluice/handler/kql/kusto"
)

// TestMicrosoftsParserReadsAllQueries gives Microsoft's parser the queries of cards,
// functions, alert rules and the workbook, over the tables as the templates make them.
func TestMicrosoftsParserReadsAllQueries(t *testing.T) {
	k := kusto.Start(t)
	_, res := byName(t, "flex public 17 everything")
	_, apart := byName(t, "tables") // whose cards ask otherwise
	// Azure's own, as far as the queries go.
	tables := map[string]string{"Usage": "(TimeGenerated:datetime, DataType:string, IsBillable:bool, Quantity:real)", "DCRLogErrors": "(TimeGenerated:datetime)"}
	types := map[string]string{"dateTime": "datetime", "boolean": "bool"}
	for _, r := range res.Resources {
		if r.Type == "Microsoft.OperationalInsights/workspaces/tables" {
			var cols []kusto.Column
			for _, c := range dig(r.Body, "properties", "schema", "columns").([]any) {
				cols = append(cols, kusto.Column{Name: dig(c, "name").(string), Type: spelled(types, dig(c, "type").(string))})
			}
			tables[r.Name[strings.LastIndexByte(r.Name, '/')+1:]] = kusto.Schema(cols)
		}
	}
	n := map[string]int{}
	for i, r := range slices.Concat(res.Resources, apart.Resources) {
		for what, query := range queries(t, r) {
			if i < len(res.Resources) {
				n[r.Type]++
			}
			answer := k.Check(t, kusto.Query{Text: query, Tables: tables})
			for _, e := range answer.Errors {
				// An older table need not be there: isfuzzy leaves it out.
				if !strings.Contains(query, "isfuzzy=true") || !strings.Contains(e.Message, "does not refer to any known table") {
					t.Errorf("%s, %s: %s\n%s", r.Name, what, e.Message, query)
				}
			}
			if watches := r.Type == "Microsoft.SecurityInsights/alertRules" || r.Type == "Microsoft.Insights/workbooks"; watches && strings.Contains(query, "SluiceHealth_CL\n") &&
				!strings.Contains(query, `Stream !contains "@"`) && !strings.Contains(query, `SluiceConnection != "sluice-verify"`) {
				t.Errorf("%s, %s: the rows of sluice verify would alarm somebody", r.Name, what)
			}
			details, _ := dig(r.Body, "properties", "customDetails").(map[string]any)
			for _, col := range details { // of an alert
				if !strings.Contains(answer.String(), col.(string)+":") {
					t.Errorf("%s: the query has no column %s", r.Name, col)
				}
			}
			if what == "IsConnectedQuery" && answer.String() != "(IsConnected:bool)" {
				t.Errorf("%s: the card wants IsConnected, not %s", r.Name, answer)
			}
		}
	}
	cs, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	if n["Microsoft.SecurityInsights/dataConnectorDefinitions"] < 4*len(cs) || n["Microsoft.SecurityInsights/alertRules"] != 5 ||
		n["Microsoft.OperationalInsights/workspaces/savedSearches"] < 61 || n["Microsoft.Insights/workbooks"] != len(tiles(cs)) {
		t.Errorf("queries %v", n)
	}
}

// queries are those that a resource has, by what they are for.
func queries(t *testing.T, r arm.Resource) map[string]string {
	q := map[string]string{}
	switch r.Type {
	case "Microsoft.SecurityInsights/alertRules":
		q["rule"] = dig(r.Body, "properties", "query").(string)
	case "Microsoft.OperationalInsights/workspaces/savedSearches":
		q["function"] = dig(r.Body, "properties", "query").(string)
	case "Microsoft.Insights/workbooks":
		var doc struct {
			Items []struct {
				Name    string
				Content struct{ Query string }
			}
		}
		if err := json.Unmarshal([]byte(dig(r.Body, "properties", "serializedData").(string)), &doc); err != nil {
			t.Fatal(err)
		}
		for _, item := range doc.Items {
			if item.Content.Query != "" {
				q[item.Name] = strings.ReplaceAll(item.Content.Query, "{Price}", pricePerGB)
			}
		}
	case "Microsoft.SecurityInsights/dataConnectorDefinitions":
		card := dig(r.Body, "properties", "connectorUiConfig")
		for _, g := range dig(card, "graphQueries").([]any) {
			q["graph "+dig(g, "legend").(string)] = dig(g, "baseQuery").(string)
		}
		for _, d := range dig(card, "dataTypes").([]any) {
			q["last "+dig(d, "name").(string)] = dig(d, "lastDataReceivedQuery").(string)
		}
		for _, s := range dig(card, "sampleQueries").([]any) {
			q["sample "+dig(s, "description").(string)] = dig(s, "query").(string)
		}
		for _, c := range dig(card, "connectivityCriteria").([]any) {
			q[dig(c, "type").(string)] = dig(c, "value").([]any)[0].(string)
		}
	}
	return q
}
