package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// Sink keeps rows. Fail, when set, is asked before each upload.
type Sink struct {
	Fail   func(b engine.Batch) error
	Tables map[string]bool // nil: every table but the health table

	mu      sync.Mutex
	rows    []json.RawMessage
	Uploads int
}

// NewSink returns an empty sink.
func NewSink() *Sink { return &Sink{} }

// Has implements engine.Sink.
func (s *Sink) Has(table string) bool {
	if s.Tables == nil {
		return table != sentinel.HealthTable
	}
	return s.Tables[table]
}

// Upload implements engine.Sink.
func (s *Sink) Upload(_ context.Context, b engine.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Uploads++
	if s.Fail != nil {
		if err := s.Fail(b); err != nil {
			return err
		}
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(b.Rows, &rows); err != nil {
		return &engine.Error{Kind: engine.Rejected, Op: "upload", Err: err}
	}
	if len(rows) != b.Count() {
		return fmt.Errorf("a batch of %d rows says it has %d", len(rows), b.Count())
	}
	for i, row := range rows {
		if got := b.Row(i); string(got) != string(row) {
			return fmt.Errorf("row %d of a batch is %s, and said to be %s", i, row, got)
		}
	}
	s.rows = append(s.rows, rows...)
	return nil
}

// Rows returns the rows so far.
func (s *Sink) Rows() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows
}

// IDs returns the member "id" of each row.
func (s *Sink) IDs() []string {
	var ids []string
	for _, r := range s.Rows() {
		var row struct{ ID string }
		_ = json.Unmarshal(r, &row)
		ids = append(ids, row.ID)
	}
	return ids
}
