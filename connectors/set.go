package connectors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Set is the connectors that have a name: those built into this program, and those of
// one's own in folders. One's own takes the place of a built-in one of the same name.
type Set struct {
	own []own // by name
}

// own is a connector in a folder.
type own struct {
	name string
	path string // of its connector.yaml
	c    *spec.Connector
	err  error // why it cannot be used; then name is the folder's
}

// Open returns the built-in connectors and those in folders: each is a connector, with
// connector.yaml in it, or holds folders that are. A connector.yaml with mistakes is an
// error of Find only, so that the others can be used.
func Open(folders []string) (*Set, error) {
	s := &Set{}
	var errs []error
	for _, folder := range folders {
		paths, err := connectorsIn(folder)
		if err != nil {
			errs = append(errs, err)
		}
		for _, path := range paths {
			o := own{name: filepath.Base(filepath.Dir(path)), path: path}
			if o.c, o.err = Find(path); o.err == nil {
				o.name = o.c.Name
			}
			if i := slices.IndexFunc(s.own, func(have own) bool { return have.name == o.name }); i >= 0 {
				errs = append(errs, fmt.Errorf("there are two connectors %s: %s and %s", o.name, s.own[i].path, path))
				continue
			}
			s.own = append(s.own, o)
		}
	}
	slices.SortFunc(s.own, func(a, b own) int { return strings.Compare(a.name, b.name) })
	return s, errors.Join(errs...)
}

// connectorsIn lists the connector.yaml files of a folder.
func connectorsIn(folder string) ([]string, error) {
	switch info, err := os.Stat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %s", folder)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file: name the folder that it is in", folder)
	}
	if path := filepath.Join(folder, "connector.yaml"); exists(path) {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if path := filepath.Join(folder, e.Name(), "connector.yaml"); exists(path) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there is no connector.yaml in %s, nor in a folder in it", folder)
	}
	return paths, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Find returns the connector called name, as the function Find does.
func (s *Set) Find(name string) (*spec.Connector, error) {
	if o := s.mine(name); o != nil {
		return o.c, o.err
	}
	if isPath(name) || slices.Contains(names(), name) {
		return Find(name)
	}
	all := s.Names()
	return nil, fmt.Errorf("there is no connector %q%s; there are %s", name, nearest.Hint(name, all), strings.Join(all, ", "))
}

func (s *Set) mine(name string) *own {
	for i := range s.own {
		if s.own[i].name == name {
			return &s.own[i]
		}
	}
	return nil
}

// Broken calls f with each connector of one's own that cannot be used.
func (s *Set) Broken(f func(folder string, err error)) {
	for _, o := range s.own {
		if o.err != nil {
			f(o.name, o.err)
		}
	}
}

// Path is where the connector.yaml of a connector of one's own is; "" of a built-in one.
func (s *Set) Path(name string) string {
	if o := s.mine(name); o != nil {
		return o.path
	}
	return ""
}

// Names are those of all connectors, in order.
func (s *Set) Names() []string {
	list := names()
	for _, o := range s.own {
		list = append(list, o.name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// All returns every connector, by name. Those with mistakes are missing, and the error
// says what these are.
func (s *Set) All() ([]*spec.Connector, error) { return s.with(All()) }

// Outlines is All with less of the built-in ones, as the function Outlines has it.
func (s *Set) Outlines() ([]*spec.Connector, error) { return s.with(Outlines()) }

// with puts one's own connectors among built-in ones.
func (s *Set) with(list []*spec.Connector, err error) ([]*spec.Connector, error) {
	if err != nil || len(s.own) == 0 {
		return list, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(c *spec.Connector) bool { return s.mine(c.Name) != nil })
	var errs []error
	for _, o := range s.own {
		if o.err != nil {
			errs = append(errs, o.err)
			continue
		}
		list = append(list, o.c)
	}
	slices.SortFunc(list, func(a, b *spec.Connector) int { return strings.Compare(a.Name, b.Name) })
	return list, errors.Join(errs...)
}
