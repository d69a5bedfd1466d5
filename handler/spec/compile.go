package spec

import (
	"cmp"
	"slices"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

func (t *Table) query() kql.TableQuery {
	q := kql.TableQuery{Where: t.Where}
	for _, l := range t.Let {
		q.Let = append(q.Let, kql.Named(l))
	}
	for _, c := range t.Columns {
		q.Columns = append(q.Columns, kql.Named{Name: c.Name, KQL: c.KQL})
	}
	return q
}

func (t *Table) options() kql.Options {
	opt := kql.Options{Hold: "TimeGenerated", MaxText: sentinel.MaxText, Rest: true}
	opt.Table = typed(t.Columns)
	return opt
}

// Schema is AllColumns as the transformation language and the local workspace
// take them.
func (t *Table) Schema() []kql.Column { return typed(t.AllColumns()) }

func typed(cols []Column) []kql.Column {
	var out []kql.Column
	for _, c := range cols {
		typ, _ := kql.ParseType(c.Type)
		out = append(out, kql.Column{Name: c.Name, Type: typ})
	}
	return out
}

// Constants are what expressions can say of a part of a stream in a connection with
// these settings; those that are not given have their defaults.
func (c *Connector) Constants(connection, part string, settings map[string]string) *kql.Constants {
	own := &kql.Constants{Connection: connection, Part: part, Settings: map[string]string{}, Secrets: c.Secrets()}
	for _, s := range c.Settings {
		if !s.Secret {
			own.Settings[s.Name] = cmp.Or(settings[s.Name], s.Default)
		}
	}
	return own
}

// Compile returns the program that turns the stream's records into rows of t, with
// the constants of a connection. TimeGenerated is computed but not written: the
// engine does that.
func (s *Stream) Compile(t *Table, own *kql.Constants) (*kql.Program, error) {
	opt := t.options()
	opt.Constants = own
	opt.ID, opt.Time = s.Position.ID, s.Position.Time
	return kql.CompileTable(t.query(), opt)
}

// Secrets returns the names of the connector's secret settings.
func (c *Connector) Secrets() []string {
	var names []string
	for _, s := range c.Settings {
		if s.Secret {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// TransformKQL is the table's let, where and columns as the text of a data
// collection rule's transformation; members are the record's members it reads.
func (t *Table) TransformKQL() (text string, members []string, err error) {
	return t.query().TransformKQL(t.options().Table)
}
