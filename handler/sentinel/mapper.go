package sentinel

import (
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/kql"
)

// Mapper makes rows of a table with a compiled transformation.
type Mapper struct {
	*kql.Runner
	// ByArrival has the TimeGenerated of rows be when they are sent; see Said.
	ByArrival bool
}

var _ engine.Mapper = Mapper{}

// NewMapper returns a Mapper that runs p; now is its clock.
func NewMapper(p *kql.Program, now func() time.Time) Mapper {
	m := Mapper{Runner: p.Runner()}
	m.Now = now
	return m
}

// Map implements engine.Mapper.
func (m Mapper) Map(src []byte) (n int, err error) { return m.Read(src) }

// Rows implements engine.Mapper.
func (m Mapper) Rows(to *engine.Rows, s *engine.Stamp) {
	if !m.Kept() {
		return
	}
	row := to.Begin(0)
	start := len(row)
	row = m.AppendRow(row)
	said := Said{Additional: m.Additional(), ByArrival: m.ByArrival}
	if said.At, said.HasTime = m.Held(); !said.HasTime {
		said.At, said.HasTime = m.EventTime()
	}
	to.End(Seal(row, start, s, said))
}
