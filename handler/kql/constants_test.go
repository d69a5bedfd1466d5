package kql

import (
	"strings"
	"testing"
)

func TestConstantsOfAConnection(t *testing.T) {
	own := &Constants{Connection: "acme-eu", Part: "logins", Settings: map[string]string{"tenant": "North \"1\"", "empty": ""}, Secrets: []string{"token"}}
	q := TableQuery{
		Let:   []Named{{"where_from", `strcat(connection(), "/", part())`}},
		Where: `connection() startswith "acme"`,
		Columns: []Named{
			{"From", "where_from"}, {"Tenant", `setting("tenant")`}, {"Nothing", `setting("empty")`}, {"Own", "connection"},
			{"Url", `strcat("https://", setting("tenant"), "/", id)`},
		},
	}
	p, err := CompileTable(q, Options{Constants: own, ID: `strcat(part(), setting("empty"), id)`})
	if err != nil {
		t.Fatal(err)
	}
	for _, col := range p.Explain().Columns[:3] {
		if col.How != "constant" {
			t.Errorf("%s is worked out for each record: %s", col.Name, col.How)
		}
	}
	m := p.Runner()
	_, row, err := m.Map([]byte(`{"id":"7","connection":"wifi"}`), nil)
	if want := `{"From":"acme-eu/logins","Tenant":"North \"1\"","Own":"wifi","Url":"https://North \"1\"/7"`; err != nil || string(row) != want || string(m.ID()) != "logins7" {
		t.Errorf("%s, id %s (%v), want %s", row, m.ID(), err, want)
	}
	for text, want := range map[string]string{
		`setting("tenent")`: "there is no setting tenent (did you mean tenant?)", `setting("token")`: "the setting token is a secret", `setting(id)`: "in quotes",
		`setting()`: "does not take 0 arguments", `part(1)`: "part() takes no arguments", `settin("tenant")`: "did you mean setting?",
	} {
		if _, err := CompileTable(TableQuery{Columns: []Named{{"X", text}}}, Options{Constants: own}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, d := range []Dialect{FullDialect, DCRDialect} { // in a text of its own there is no connection
		if _, err := Compile(`source | project x = setting("tenant")`, Options{Dialect: d}); err == nil || !strings.Contains(err.Error(), "here there is none") {
			t.Errorf("%s: %v", d, err)
		}
	}
	if _, _, err := q.TransformKQL(nil); err == nil || !strings.Contains(err.Error(), "let where_from: ") {
		t.Errorf("a rule's text has a constant of a connection: %v", err)
	}
}
