// Package dir is the store in a folder: for a laptop, a virtual machine, or a
// volume. Everything in it can be read with cat.
//
// A document is a folder with a file for each generation. A generation is
// written under another name and then linked to its own, which fails when that
// exists: so two writers cannot both write it, on any file system with hard
// links and without a lock that a crash would leave behind.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Store keeps documents and objects below a folder.
type Store struct {
	root string

	slept func() // in tests: what happens while a writer sleeps
}

var _ engine.Store = (*Store)(nil)

// Open returns the store in the folder root, which it makes if need be.
func Open(root string) (*Store, error) {
	s := &Store{root: root, slept: func() {}}
	err := os.MkdirAll(root, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(root, ".writable-*"); err == nil {
			f.Close()
			err = os.Remove(f.Name())
		}
	}
	if err != nil {
		return nil, &engine.Error{Kind: engine.Permanent, Op: "open the store", Reason: "store_not_writable",
			Hint: "name a folder that this user may write to: store: {dir: …}", Err: err}
	}
	return s, nil
}

// path turns an object's name into a path below the root.
func (s *Store) path(name string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("%q is not a name for an object", name)
	}
	return filepath.Join(s.root, filepath.FromSlash(name)), nil
}

// Generations implements engine.Store.
func (s *Store) Generations(_ context.Context, name string) ([]engine.Generation, error) {
	folder, err := s.path(name)
	if err != nil {
		return nil, err
	}
	numbers, err := generations(folder)
	if err != nil {
		return nil, err
	}
	var gens []engine.Generation
	for _, n := range numbers[:min(len(numbers), engine.Kept)] {
		data, err := os.ReadFile(file(folder, n))
		if errors.Is(err, fs.ErrNotExist) { // a writer has just removed it as too old
			continue
		}
		if err != nil {
			data = nil // unreadable: damaged, not absent
		}
		gens = append(gens, engine.Generation{Number: n, Data: data})
	}
	return gens, nil
}

func file(folder string, n int64) string {
	return filepath.Join(folder, fmt.Sprintf("%012d.json", n))
}

// generations lists the numbers of a document's files, newest first.
func generations(folder string) ([]int64, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var numbers []int64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".json")
		if n, err := strconv.ParseInt(digits, 10, 64); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b int64) int { return int(b - a) })
	return numbers, nil
}

// Append implements engine.Store.
func (s *Store) Append(_ context.Context, name string, after int64, data []byte) error {
	folder, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if n, err := newest(folder); err != nil {
		return err
	} else if n != after {
		return engine.ErrConflict
	}
	tmp, err := writeTemp(folder, data)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	s.slept()
	mine := file(folder, after+1)
	if err := linkNew(tmp, mine); err != nil {
		return err
	}
	// A writer that slept so long that its generation had come and gone finds
	// newer ones.
	numbers, err := generations(folder)
	if err != nil {
		return err
	}
	if numbers[0] != after+1 {
		return errors.Join(os.Remove(mine), engine.ErrConflict)
	}
	for _, n := range numbers[min(len(numbers), engine.Kept):] {
		if err := os.Remove(file(folder, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// linkNew gives the file tmp the name mine, unless that is taken. Where there
// are no hard links (SMB shares) it copies into a file that must be new; a crash
// meanwhile leaves a damaged generation, and the one before serves.
func linkNew(tmp, mine string) error {
	err := os.Link(tmp, mine)
	if errors.Is(err, fs.ErrExist) {
		return engine.ErrConflict
	}
	if err == nil {
		return nil
	}
	data, err := os.ReadFile(tmp)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(mine, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return engine.ErrConflict
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func newest(folder string) (int64, error) {
	numbers, err := generations(folder)
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	return numbers[0], nil
}

// writeTemp writes data to a new file, to disk and not only to its cache.
func writeTemp(folder string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// Put implements engine.Store.
func (s *Store) Put(_ context.Context, name string, data []byte) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := writeTemp(filepath.Dir(path), data)
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Get implements engine.Store.
func (s *Store) Get(_ context.Context, name string) ([]byte, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, engine.ErrNotFound)
	}
	return data, err
}

// Delete implements engine.Store.
func (s *Store) Delete(_ context.Context, name string) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", name, engine.ErrNotFound)
	}
	return err
}

// List implements engine.Store.
func (s *Store) List(_ context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		top := filepath.Join(s.root, filepath.FromSlash(prefix[:strings.LastIndexByte(prefix, '/')+1]))
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(s.root, path)
			name := filepath.ToSlash(rel)
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || !strings.HasPrefix(name, prefix) {
				return err
			}
			if !yield(name, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield("", err)
		}
	}
}

// AddLine implements engine.Store.
func (s *Store) AddLine(_ context.Context, name string, line []byte) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(slices.Clone(line), '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
