package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/logsquery"
)

// TestVerifySeesWhatTheServiceDropped: an answer of the query API, in the form that
// Azure gives it, is compared column by column.
func TestVerifySeesWhatTheServiceDropped(t *testing.T) {
	cols := []engine.Column{{Name: "TimeGenerated", Type: "datetime"}, {Name: "EventUid", Type: "string"}, {Name: "SluiceConnection", Type: "string"}, {Name: "Big", Type: "long"},
		{Name: "Data", Type: "dynamic"}, {Name: "Flag", Type: "bool"}, {Name: "Id", Type: "guid"}, {Name: "Part", Type: "real"}, {Name: "Gone", Type: "string"}, {Name: "Wrong", Type: "long"}}
	c := newSentRow("T_CL", cols, time.Now(), nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		columns, row := []map[string]string{}, []any{}
		for _, col := range cols {
			v := c.row[col.Name]
			switch col.Name {
			case "Gone":
				continue
			case "Wrong":
				v = v.(int64) + 1
			case "Data": // a text that holds JSON
				b, _ := json.Marshal(v)
				v = string(b)
			case "TimeGenerated":
				v = strings.Replace(v.(string), "Z", "0000Z", 1)
			}
			columns, row = append(columns, map[string]string{"name": col.Name, "type": col.Type}), append(row, v)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"tables": []any{map[string]any{"name": "PrimaryResult", "columns": columns, "rows": []any{row}}}})
	}))
	defer srv.Close()
	q, err := logsquery.New(srv.URL, "local", logsingest.None{})
	if err != nil {
		t.Fatal(err)
	}
	v := &verification{query: q}
	if !v.look(context.Background(), c, time.Second) || !c.Arrived {
		t.Fatalf("%+v", c)
	}
	var off []string
	for _, text := range c.Off {
		name, _, _ := strings.Cut(text, " ")
		off = append(off, name)
	}
	if !slices.Equal(off, []string{"Gone", "Wrong"}) {
		t.Errorf("%v", c.Off)
	}
}

// TestCanariesTripNoRuleOnEmptiness: what Microsoft's rules look for inside of dynamic columns
// is there, such as a user agent, and each text says that it is none.
func TestCanariesTripNoRuleOnEmptiness(t *testing.T) {
	for name, want := range map[string][]string{
		"slack":     {"Context.ua", "Context.ip_address", "Actor.user.email", "Entity.type"},
		"1password": {"client.ip_address", "target_user.email", "location.country"},
		"wiz":       {"entitySnapshot.name"},
	} {
		conn, err := connectors.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		table := &conn.Tables[0]
		c := newSentRow(table.Name, columnsOf(table), time.Now(), samples(&config.Config{Connections: []config.Resolved{{Connector: conn}}}, table))
		for _, path := range want {
			v := any(c.row)
			for step := range strings.SplitSeq(path, ".") {
				m, _ := v.(map[string]any)
				v = m[step]
			}
			if text, _ := v.(string); text == "" {
				t.Errorf("%s: %s of the canary is %v", name, path, v)
			}
		}
	}
}
