package memory_test

import (
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

func TestStore(t *testing.T) {
	s := memory.NewStore()
	testkit.StoreSuite(t, func(*testing.T) engine.Store { return s }, func(_ *testing.T, name string, _ int64, data []byte) { s.Damage(name, data) })
}
