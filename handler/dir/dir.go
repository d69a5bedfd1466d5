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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Store keeps documents and objects below a folder.
type Store struct {
	root string

	slept func() // in tests: what happens while a writer sleeps
}

var _ engine.Store = (*Store)(nil)

// tmp is the folder of files that are being written. What a process that died left
// there is removed after a while; were it alive after all, its write would fail.
const (
	tmp      = ".tmp"
	tmpLives = 10 * time.Minute
)

// address is what looks like the address of something on a network.
var address = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:/|\.blob\.(core|storage)\.|^~`)

// Open returns the store in the folder root, which it makes if need be; the folder
// above it has to be there.
func Open(root string) (*Store, error) {
	if address.MatchString(root) {
		return nil, &engine.Error{Kind: engine.Permanent, Op: "open the store", Reason: "store_address", Err: fmt.Errorf("%q is no folder", root),
			Hint: "a folder is store: {dir: ./.sluice}, without ~; a container is store: {container: https://ACCOUNT.blob.core.windows.net/sluice}"}
	}
	s := &Store{root: root, slept: func() {}}
	err := os.Mkdir(root, 0o700)
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = os.MkdirAll(filepath.Join(root, tmp), 0o700)
	}
	if err == nil {
		err = s.tryWriting()
	}
	if err == nil {
		err = s.sweep(time.Now())
	}
	if err != nil {
		return nil, &engine.Error{Kind: engine.Permanent, Op: "open the store", Reason: "store_not_writable",
			Hint: "name a folder that this user may write to, in one that exists: store: {dir: …}", Err: err}
	}
	return s, nil
}

func (s *Store) tryWriting() error {
	f, err := os.CreateTemp(filepath.Join(s.root, tmp), "writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// sweep removes files that were not completed.
func (s *Store) sweep(now time.Time) error {
	folder := filepath.Join(s.root, tmp)
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > tmpLives {
			_ = os.Remove(filepath.Join(folder, e.Name())) // another process may have done so
		}
	}
	return err
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
	for _, n := range numbers[:min(len(numbers), engine.KeptGenerations)] {
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
	written, err := s.writeTemp(data)
	if err != nil {
		return err
	}
	defer os.Remove(written)
	s.slept()
	mine := file(folder, after+1)
	if err := linkNew(written, mine); err != nil {
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
	for _, n := range numbers[min(len(numbers), engine.KeptGenerations):] {
		if err := os.Remove(file(folder, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// linkNew gives the file written the name mine, unless that is taken. Where there
// are no hard links (SMB shares) it copies into a file that must be new; a crash
// meanwhile leaves a damaged generation, and the one before serves.
func linkNew(written, mine string) error {
	err := os.Link(written, mine)
	if errors.Is(err, fs.ErrExist) {
		return engine.ErrConflict
	}
	if err == nil {
		return nil
	}
	data, err := os.ReadFile(written)
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
func (s *Store) writeTemp(data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Join(s.root, tmp), "new-*")
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
	written, err := s.writeTemp(data)
	if err != nil {
		return err
	}
	return os.Rename(written, path)
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
			if err == nil && d.IsDir() && d.Name() == tmp {
				return fs.SkipDir
			}
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

// AddLine implements engine.Store. A line that a crash cut short is ended first,
// so that it spoils no other.
func (s *Store) AddLine(_ context.Context, name string, line []byte) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	text := append(slices.Clone(line), '\n')
	torn, err := endsTorn(f)
	if torn {
		text = slices.Insert(text, 0, '\n')
	}
	if err == nil {
		_, err = f.Write(text)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// endsTorn reports whether the last line of a file has no end.
func endsTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return last[0] != '\n', err
}
