package app

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestQuarantineApart: a store whose quarantine has a place of its own is a store like
// any other; only records that could not be delivered are in that place.
func TestQuarantineApart(t *testing.T) {
	main, other := t.TempDir(), t.TempDir()
	open := func(t *testing.T) engine.Store {
		a, err := dir.Open(main)
		if err != nil {
			t.Fatal(err)
		}
		b, err := dir.Open(other)
		if err != nil {
			t.Fatal(err)
		}
		return apart{a, b}
	}
	testkit.StoreSuite(t, open, nil)
	s := open(t)
	name := engine.QuarantinePrefix + "okta/system_log/x.json"
	if err := s.Put(t.Context(), name, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "health/okta/system_log.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.(apart).Store.Get(t.Context(), name); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a record in quarantine is among the checkpoints: %v", err)
	}
	var names []string
	for n, err := range s.List(t.Context(), engine.QuarantinePrefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if len(names) != 1 || names[0] != name {
		t.Errorf("quarantine has %v", names)
	}
	if files, _ := filepath.Glob(filepath.Join(other, "[a-z]*")); len(files) != 1 {
		t.Errorf("quarantine's place has %v", files)
	}
}
