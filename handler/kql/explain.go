package kql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// Plan is how a program makes a row.
type Plan struct {
	// Paths are what is looked up in the record, all in one pass over it.
	Paths []string `json:"paths"`
	// Filters is how many conditions a row has to pass.
	Filters int `json:"filters"`
	// Columns are those of the row, in their order.
	Columns []PlanColumn `json:"columns"`
	// Rest: the record's other members follow, as they stand.
	Rest bool `json:"rest,omitempty"`
	// Rows says where rows come from when they do not come one from each record.
	Rows     string   `json:"rows,omitempty"`
	Dropped  []string `json:"dropped,omitempty"` // columns that the table lacks
	Unused   []string `json:"unused,omitempty"`  // columns of the table that nothing fills
	Warnings []string `json:"warnings,omitempty"`
}

// PlanColumn is a column of a Plan.
type PlanColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// How is copy (the bytes of the record), convert (one value of the record
	// in another type), constant or compute.
	How string `json:"how"`
	KQL string `json:"kql"`
}

// Paths are what is looked up in the record.
func (p *Program) Paths() [][]scan.Step { return p.tree.Paths() }

// Explain describes p.
func (p *Program) Explain() Plan {
	plan := Plan{Paths: []string{}, Columns: []PlanColumn{}, Rest: p.rest, Dropped: p.Dropped, Unused: p.Unused, Warnings: p.Warnings}
	for _, path := range p.tree.Paths() {
		plan.Paths = append(plan.Paths, PathText(path))
	}
	slices.Sort(plan.Paths)
	for _, s := range p.segments {
		plan.Filters += len(s.filters)
	}
	switch {
	case p.table != nil && len(p.table.rows) == 1:
		plan.Rows = "one row, of no record"
	case p.table != nil:
		plan.Rows = fmt.Sprintf("%d rows, of no record", len(p.table.rows))
	case len(p.segments) > 1:
		plan.Rows = "one or more of each record (mv-expand)"
	}
	outputs := p.outputs
	if p.hold != nil {
		outputs = append([]output{*p.hold}, outputs...)
	}
	for _, o := range outputs {
		plan.Columns = append(plan.Columns, PlanColumn{o.column.Name, o.column.Type.String(), o.how(), o.text})
	}
	return plan
}

func (o *output) how() string {
	switch k := o.code; {
	case k.konst:
		return "constant"
	case k.text != nil, k.path != nil:
		return "copy"
	case k.from != nil:
		return "convert"
	}
	return "compute"
}

// PathText writes a path as KQL would.
func PathText(path []scan.Step) string {
	var b strings.Builder
	for i, st := range path {
		switch {
		case st.IsIndex:
			fmt.Fprintf(&b, "[%d]", st.Index)
		case i == 0:
			b.WriteString(quoteName(st.Key))
		case quoteName(st.Key) == st.Key:
			b.WriteString("." + st.Key)
		default:
			b.WriteString("[" + quoteText(st.Key) + "]")
		}
	}
	return b.String()
}
