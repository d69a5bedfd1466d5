package memory_test

import (
	"testing"

	"github.com/sluice-connectors/sluice/handler/connectortest"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
)

func TestStore(t *testing.T) {
	s := memory.NewStore()
	connectortest.StoreSuite(t, func(*testing.T) engine.Store { return s }, func(_ *testing.T, name string, _ int64, data []byte) { s.Damage(name, data) })
}
