// Package sentinel knows what a row of a Log Analytics table is: the columns that every
// table has beside its own, the rule of TimeGenerated, the service's limits, and the rows
// that no provider has sent, such as those of the health table.
package sentinel

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Limits of the service (learn.microsoft.com, "Azure Monitor service limits", 2026).
const (
	// MaxCall is how many bytes one call of the Logs Ingestion API carries, before and
	// after compression: 1 MB.
	MaxCall = 1 << 20
	// MaxBatch is how many we send in one: 1 MB as it may be meant too.
	MaxBatch = 1_000_000
	// MaxText is how many bytes are stored of one text.
	MaxText = 64 << 10
	// MaxColumns is how many columns a table can have.
	MaxColumns = 500
	// MaxStreams is how many streams a data collection rule can have.
	MaxStreams = 10
	// MaxAnswer is how many rows a query answers; 100 MiB are a limit as well.
	MaxAnswer = 500_000
)

// The service replaces a TimeGenerated older than Oldest or further ahead than Newest by
// the time of receipt (learn.microsoft.com, "Standard columns in Azure Monitor Logs").
const (
	Oldest = 48 * time.Hour
	Newest = 24 * time.Hour
)

// Column is a column of a table.
type Column struct{ Name, Type, Description string }

// Columns are those that every table has, so that each row can be told apart and traced.
var Columns = []Column{
	{"TimeGenerated", "datetime", "When it happened; the time of delivery when that was more than two days before."},
	{"EventUid", "string", "The provider's id of the record, else a hash of it; where several streams share a table, behind the stream's name. Equal for a row of the connection that was sent twice."},
	{"Connection", "string", "The connection that brought the row."},
	{"EventTime", "datetime", "When it happened, if TimeGenerated had to be set to the time of delivery."},
	{"IsBackfill", "bool", "True when the row was fetched for the past on request."},
	{"AdditionalFields", "dynamic", "Members of the record that no column takes, and what had to be cut."},
}

// CanaryPrefix begins the EventUid of rows that are no events: sluice verify sends
// them, and a run that has to know whether a table takes any row. The functions
// over the tables leave them out. Their Connection is CanaryConnection.
const (
	CanaryPrefix     = "sluice-canary-"
	CanaryConnection = "sluice-verify"
)

// CanaryUID is the EventUid of a canary.
func CanaryUID(now time.Time) string { return fmt.Sprintf("%s%d", CanaryPrefix, now.UnixMilli()) }

// NewEngine returns an engine whose sink delivers to a workspace.
func NewEngine(store engine.Store, sink engine.Sink, log *slog.Logger) *engine.Engine {
	return engine.New(store, sink, Workspace{}, MaxBatch, log)
}

// Workspace implements engine.Notices.
type Workspace struct {
	NoHealth bool // there are no rows about runs
}

var _ engine.Notices = Workspace{}

// Canary implements engine.Notices.
func (Workspace) Canary(table string, now time.Time) engine.Batch {
	stamp := engine.Stamp{Connection: CanaryConnection, UID: []byte(CanaryUID(now)), Now: now}
	return batch(table, Seal([]byte{'{'}, 0, &stamp, Said{}))
}

// batch is one of a single row.
func batch(table string, row []byte) engine.Batch {
	rows := append(append([]byte{'['}, row...), ']')
	return engine.Batch{Table: table, Rows: rows, Ends: []int{len(rows) - 1}}
}
