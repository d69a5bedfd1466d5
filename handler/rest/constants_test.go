package rest

import (
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestRowsSayWhatTheyAreOf compiles a stream for a part of a connection.
func TestRowsSayWhatTheyAreOf(t *testing.T) {
	text := strings.Replace(tokenConnector, "  - name: s\n", "  - name: s\n    for_each: {setting: kinds, values: [logins, changes]}\n", 1)
	text = strings.Replace(text, "/events", "/{part}", 1)
	text = strings.Replace(text, "required: true}\nbase", "required: true}\n  - {name: kinds}\n  - {name: region, default: eu}\nbase", 1)
	text = strings.Replace(text, "todatetime(t)}]", `todatetime(t)}, {name: Of, type: string, kql: 'strcat(connection(), "/", part(), "/", setting("region"), "/", setting("host"))'}]`, 1)
	c, err := spec.Parse("acme.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "acme/changes/eu/acme.example", "north": "north/changes/eu/acme.example"} {
		conn, err := Open(c, Options{Name: name, Settings: map[string]string{"host": "acme.example", "key": secret}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := conn.Stream(&c.Streams[0], "changes")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Mapper.Map([]byte(`{"t":"2026-11-22"}`)); err != nil {
			t.Fatal(err)
		}
		rows := engine.NewRows(1)
		s.Mapper.Rows(rows, &engine.Stamp{})
		for row := range rows.All(0) {
			if !strings.HasPrefix(string(row), `{"Of":"`+want+`",`) {
				t.Errorf("%s, want %s", row, want)
			}
		}
	}
}
