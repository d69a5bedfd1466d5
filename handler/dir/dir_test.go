package dir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/connectortest"
	"github.com/sluice-connectors/sluice/handler/engine"
)

func TestStore(t *testing.T) {
	root := t.TempDir()
	open := func(t *testing.T) engine.Store {
		s, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	connectortest.StoreSuite(t, open, func(t *testing.T, name string, newest int64, data []byte) {
		if err := os.WriteFile(file(filepath.Join(root, filepath.FromSlash(name)), newest), data, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNamesStayBelowTheFolder(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "/etc/passwd", "a/../../b"} {
		if err := s.Put(t.Context(), name, nil); err == nil {
			t.Errorf("an object could be called %q", name)
		}
	}
}

func TestOpenSaysWhenTheFolderCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "store"))
	if err == nil || !strings.Contains(err.Error(), "name a folder that this user may write to") {
		t.Errorf("error: %v", err)
	}
}
