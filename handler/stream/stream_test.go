package stream

import (
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

const connector = `
name: acme
title: Acme
publisher: Acme
support: {tier: community}
description: A test.
settings:
  - {name: host, required: true}
  - {name: key, secret: true, required: true}
  - {name: kinds}
  - {name: region, default: eu}
base_url: https://{host}
auth: {type: api_key, header: X-Key, value: "{key}"}
streams:
  - name: s
    for_each: {setting: kinds, values: [logins, changes/all]}
    request: {path: "/v1/{part}", query: {from: "{window.from:unix}", to: "{window.to:unix}"}}
    records: $.data
    position: {type: window, time: t, order: none, granularity: 1s, bounds: "(]", lag: 0s, overlap: 0s, retention: 30d}
    table: Acme_CL
tables:
  - name: Acme_CL
    columns:
      - {name: TimeGenerated, type: datetime, kql: todatetime(t)}
      - {name: Of, type: string, kql: 'strcat(connection(), "/", part(), "/", setting("region"), "/", setting("host"))'}
      - {name: unfilled, type: string}
`

// TestAStreamIsReadyToRun: its name, its rows, its table's columns and the facts of its
// position are what the connector says, for each part of a connection.
func TestAStreamIsReadyToRun(t *testing.T) {
	c, err := spec.Parse("acme.yaml", []byte(connector))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "acme/changes/all/eu/acme.example", "north": "north/changes/all/eu/acme.example"} {
		conn, err := rest.Open(c, rest.Options{Name: name, Settings: map[string]string{"host": "acme.example", "key": "k"}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(conn, &c.Streams[0], "changes/all")
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != "s.changes%2Fall" || s.Table() != "Acme_CL" || !s.Shared || !s.Position.FromExclusive || !s.Position.ToInclusive || s.Asks == "" {
			t.Errorf("%+v", s)
		}
		if cols := s.Tables[0].Columns; len(cols) != 8 || cols[1] != (engine.Column{Name: "Of", Type: "string"}) {
			t.Errorf("%+v", cols)
		}
		if _, err := s.Mapper.Map([]byte(`{"t":"2026-11-22","unfilled":"x"}`)); err != nil {
			t.Fatal(err)
		}
		rows := engine.NewRows(1)
		s.Mapper.Rows(rows, &engine.Stamp{Connection: conn.Name()})
		n := 0
		for row := range rows.All(0) {
			if n++; !strings.HasPrefix(string(row), `{"Of":"`+want+`","EventUid"`) || !strings.Contains(string(row), `"AdditionalFields":{"unfilled":"x"}`) {
				t.Errorf("%s, want %s", row, want)
			}
		}
		if n != 1 {
			t.Errorf("%d rows", n)
		}
	}
}
