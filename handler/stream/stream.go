// Package stream makes of a stream that a connector declares what the engine runs: a
// source of its records, a mapper to the rows of its tables, and the facts of its
// position. Which source that is, the declaration says.
package stream

import (
	"net/url"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// New prepares a part of stream s of a connection.
func New(conn *rest.Connection, s *spec.Stream, part string) (*engine.Stream, error) {
	prog, err := conn.Compile(s, part)
	if err != nil {
		return nil, err
	}
	name := s.Name
	if part != "" {
		name += "." + url.PathEscape(part)
	}
	c, src := conn.Connector(), conn.Source(s, part)
	src.Recognize(prog)
	return &engine.Stream{
		Connection: conn.Name(), Connector: c.Name, Name: name, Tables: []engine.Table{tableOf(c.Table(s.Table))},
		Source: src, Mapper: sentinel.NewMapper(prog, conn.Now),
		Position: src.Position(), MaxPages: s.Paging.MaxPages, Asks: src.Asks(), Shared: shared(c, s),
	}, nil
}

func tableOf(t *spec.Table) engine.Table {
	out := engine.Table{Name: t.Name}
	for _, c := range t.AllColumns() {
		out.Columns = append(out.Columns, engine.Column{Name: c.Name, Type: c.Type})
	}
	return out
}

// shared reports whether a stream's table has rows of other streams, or of several
// parts: each may count its records from 1.
func shared(c *spec.Connector, s *spec.Stream) bool {
	n := 0
	for i := range c.Streams {
		if c.Streams[i].Table == s.Table {
			n++
		}
	}
	return n > 1 || s.ForEach != nil
}
