package connectortest

import (
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
)

func TestMemStore(t *testing.T) {
	s := NewMemStore()
	StoreSuite(t, func(*testing.T) engine.Store { return s }, func(_ *testing.T, name string, _ int64, data []byte) { s.Damage(name, data) })
}
