package connectors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Set is the connectors that have a name: those built into this program, and those of
// one's own in folders. One's own takes the place of a built-in one of the same name.
type Set struct {
	own   []own    // by name
	wrong []Broken // folders, and what names them
}

// own is a connector in a folder.
type own struct {
	c    *spec.Connector // where it cannot be used, its name and alias only
	path string          // of its connector.yaml
	err  error           // why it cannot be used
}

// Folder is a folder with connectors of one's own.
type Folder struct {
	Path string // from the present folder
	By   string // what names it: sluice.yaml:1:14, or an app setting
}

// Broken is a connector of one's own that cannot be used, or a folder in which none is.
type Broken struct {
	Name      string          // of a folder, its path
	Connector *spec.Connector // its name and alias; nil of a folder
	Err       error
}

// Open returns the built-in connectors and those in folders: each is a connector, with
// connector.yaml in it, or holds folders that are. What is wrong with a folder or with a
// connector stops no other: it is an error of Find, and in Broken.
func Open(folders []Folder) *Set {
	s := &Set{}
	for _, f := range folders {
		paths, err := connectorsIn(f.Path)
		if err != nil {
			s.wrong = append(s.wrong, Broken{Name: f.Path, Err: fmt.Errorf("%s: %w", f.By, err)})
		}
		for _, path := range paths {
			s.add(path)
		}
	}
	slices.SortFunc(s.own, func(a, b own) int { return strings.Compare(a.c.Name, b.c.Name) })
	s.keepApart()
	return s
}

// Lacks notes that there may be more connectors, which err keeps from being known;
// name is what it is about.
func (s *Set) Lacks(name string, err error) {
	s.wrong = append(s.wrong, Broken{Name: name, Err: err})
}

// add reads a connector.yaml, unless it is there already. Which of two of one name is
// meant cannot be told: neither can be used.
func (s *Set) add(path string) {
	if slices.ContainsFunc(s.own, func(o own) bool { return sameFile(o.path, path) }) {
		return
	}
	o := own{path: path}
	if o.c, o.err = read(path); o.err != nil {
		o.c = heading(path)
	}
	if other := s.mine(o.c.Name); other != nil {
		other.err = fmt.Errorf("there are two connectors %s: %s and %s", o.c.Name, other.path, path)
		return
	}
	s.own = append(s.own, o)
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// headingLine is the line of a connector.yaml with its name or alias, which can be read
// whatever is wrong with the others.
var headingLine = regexp.MustCompile(`(?m)^(name|alias):[ \t]*["']?([a-z0-9][a-z0-9_-]*)["']?[ \t\r]*(?:#.*)?$`)

// heading is what a connector that cannot be used calls itself, else its folder's name.
func heading(path string) *spec.Connector {
	c := &spec.Connector{Name: folderName(path)}
	data, _ := os.ReadFile(path) // that it cannot be read is known
	for _, m := range headingLine.FindAllSubmatch(data, -1) {
		if string(m[1]) == "name" {
			c.Name = string(m[2])
		} else {
			c.Alias = string(m[2])
		}
	}
	return c
}

// folderName is the name of the folder that a file is in, which may be the present one.
func folderName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Base(filepath.Dir(path))
}

// keepApart refuses connectors whose function, and so whose app settings, would be those
// of another one.
func (s *Set) keepApart() {
	for i := range s.own {
		o := &s.own[i]
		if others := s.Sharing(o.c); o.err == nil && len(others) > 0 {
			o.err = fmt.Errorf("%s: the function and the app settings of %s would be those of %s too, for both are called %s there: give it another name or alias", o.path, o.c.Name, strings.Join(others, ", "), o.c.FunctionName())
		}
	}
}

// Sharing are the names of other connectors whose function is called as that of c.
func (s *Set) Sharing(c *spec.Connector) (others []string) {
	list, _ := Outlines() // what is wrong with these is said where they are used
	for _, b := range list {
		if s.mine(b.Name) == nil && b.Name != c.Name && b.FunctionName() == c.FunctionName() {
			others = append(others, b.Name)
		}
	}
	for _, o := range s.own {
		if o.c.Name != c.Name && o.c.FunctionName() == c.FunctionName() {
			others = append(others, o.c.Name)
		}
	}
	return others
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

// exists reports whether a file is there, be it one that we may not read.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// Find returns the connector called name, and reads no built-in one but that. A name with
// a slash or the ending .yaml is the path of a connector.yaml outside this program, or of
// its folder.
func (s *Set) Find(name string) (*spec.Connector, error) {
	switch o := s.mine(name); {
	case o != nil && o.err != nil:
		return nil, o.err
	case o != nil:
		return o.c, nil
	case IsPath(name):
		return read(fileAt(name))
	case Builtin(name):
		return builtin(name)
	}
	why := ""
	if here := filepath.Join("connectors", name); exists(filepath.Join(here, "connector.yaml")) {
		why = fmt.Sprintf("; %s is one: give that path, or have connectors: [connectors] in sluice.yaml", here)
	}
	for _, w := range s.wrong {
		why += fmt.Sprintf("; it may be where nothing could be read: %v", w.Err)
	}
	all := s.Names()
	return nil, fmt.Errorf("there is no connector %q%s%s; there are %s", name, nearest.Hint(name, all), why, strings.Join(all, ", "))
}

func (s *Set) mine(name string) *own {
	for i := range s.own {
		if s.own[i].c.Name == name {
			return &s.own[i]
		}
	}
	return nil
}

// Folders are the folders in which there is nothing to be used, and why.
func (s *Set) Folders() []Broken { return s.wrong }

// Broken is what cannot be used: folders, and connectors of one's own.
func (s *Set) Broken() []Broken {
	list := slices.Clone(s.wrong)
	for _, o := range s.own {
		if o.err != nil {
			list = append(list, Broken{o.c.Name, &spec.Connector{Name: o.c.Name, Alias: o.c.Alias}, o.err})
		}
	}
	return list
}

// Err names all that cannot be used; nil when there is nothing.
func (s *Set) Err() error {
	var errs []error
	for _, b := range s.Broken() {
		errs = append(errs, b.Err)
	}
	return errors.Join(errs...)
}

// Path is where the connector.yaml is that a name stands for; "" of a built-in one.
func (s *Set) Path(name string) string {
	if o := s.mine(name); o != nil {
		return o.path
	}
	if IsPath(name) {
		return fileAt(name)
	}
	return ""
}

// Replaces reports whether c is one's own and has taken the place of a built-in one.
func (s *Set) Replaces(c *spec.Connector) bool {
	o := s.mine(c.Name)
	return o != nil && o.c == c && Builtin(c.Name)
}

// Names are those of all connectors, in order.
func (s *Set) Names() []string {
	list := names()
	for _, o := range s.own {
		list = append(list, o.c.Name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// All returns every connector that can be used, by name; Err says what cannot.
func (s *Set) All() ([]*spec.Connector, error) { return s.with(All()) }

// Outlines is All with less of the built-in ones, as the function Outlines has it.
func (s *Set) Outlines() ([]*spec.Connector, error) { return s.with(Outlines()) }

// with puts one's own connectors among built-in ones.
func (s *Set) with(list []*spec.Connector, err error) ([]*spec.Connector, error) {
	if err != nil || len(s.own) == 0 {
		return list, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(c *spec.Connector) bool { return s.mine(c.Name) != nil })
	for _, o := range s.own {
		if o.err == nil {
			list = append(list, o.c)
		}
	}
	slices.SortFunc(list, func(a, b *spec.Connector) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
