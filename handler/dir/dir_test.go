package dir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
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
	testkit.StoreSuite(t, open, func(t *testing.T, name string, newest int64, data []byte) {
		path := file(filepath.Join(root, filepath.FromSlash(name)), newest)
		err := os.Remove(path)
		if err == nil && data != nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestAGenerationThatCannotBeReadIsDamaged, not absent.
func TestAGenerationThatCannotBeReadIsDamaged(t *testing.T) {
	root := t.TempDir()
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"old", "new"} {
		if err := s.Append(t.Context(), "doc", int64(i), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	newest := file(filepath.Join(root, "doc"), 2)
	if err := os.Remove(newest); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(newest, 0o700); err != nil { // root may read all files, but no folder as one
		t.Fatal(err)
	}
	gens, err := s.Generations(t.Context(), "doc")
	if err != nil || len(gens) != 2 || gens[0].Number != 2 || gens[0].Data != nil || string(gens[1].Data) != "old" {
		t.Errorf("generations %v, %v", gens, err)
	}
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

func TestAnAddressIsNoFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, at := range []string{"https://acme.blob.core.windows.net/sluice", "htps://acme.example/sluice", "http:/acme.example", "file:///tmp/x", "acme.blob.core.windows.net/sluice", "acme.blob.core.windows.net", "~sluice", "~/sluice", "not/there"} {
		if _, err := Open(at); err == nil {
			t.Errorf("%s was opened", at)
		}
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) > 0 {
		t.Errorf("%v was made, %v", entries, err)
	}
	if _, err := Open(".sluice"); err != nil {
		t.Error(err)
	}
}

func TestALineThatWasCutSpoilsNoOther(t *testing.T) {
	root := t.TempDir()
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "log")
	if err := os.WriteFile(file, []byte("one\ntw"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"three", "four"} {
		if err := s.AddLine(t.Context(), "log", []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "one\ntw\nthree\nfour\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestWhatADeadProcessLeftIsRemoved, and what another is writing is not; neither is
// an object.
func TestWhatADeadProcessLeftIsRemoved(t *testing.T) {
	root := t.TempDir()
	if _, err := Open(root); err != nil {
		t.Fatal(err)
	}
	left, fresh := filepath.Join(root, tmp, "new-1"), filepath.Join(root, tmp, "new-2")
	long := time.Now().Add(-time.Hour)
	if err := errors.Join(os.WriteFile(left, nil, 0o600), os.WriteFile(fresh, nil, 0o600), os.Chtimes(left, long, long)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("it is still there")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error(err)
	}
	for name := range s.List(t.Context(), "") {
		t.Errorf("%s is listed", name)
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

// TestAWriterThatSleptIsRefused though its generation has come and gone, and its
// name is free again.
func TestAWriterThatSleptIsRefused(t *testing.T) {
	root := t.TempDir()
	slow, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	quick, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	slow.slept = func() {
		for i := range int64(2 * engine.KeptGenerations) {
			if err := quick.Append(t.Context(), "doc", i, []byte("quick")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := slow.Append(t.Context(), "doc", 0, []byte("slow")); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a writer that slept: %v", err)
	}
	gens, err := quick.Generations(t.Context(), "doc")
	if err != nil || len(gens) != engine.KeptGenerations || gens[0].Number != 2*engine.KeptGenerations || string(gens[engine.KeptGenerations-1].Data) != "quick" {
		t.Errorf("generations %v, %v", gens, err)
	}
}
