// Package connectors is what Sluice connects: one folder for each provider.
// A declarative connector is a folder with connector.yaml; nothing lists it.
package connectors

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-connectors/sluice/handler/model"
	"github.com/sluice-connectors/sluice/handler/spec"
)

//go:embed */connector.yaml */model.yaml
var files embed.FS

// All returns every connector, by name.
func All() ([]*spec.Connector, error) { return all() }

var all = sync.OnceValues(func() ([]*spec.Connector, error) {
	var cs []*spec.Connector
	for _, name := range names() {
		c, err := builtin(name)
		if err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	return cs, nil
})

// names are those of all connectors, in order; a connector's name is its folder's.
func names() (names []string) {
	paths, _ := fs.Glob(files, "*/connector.yaml") // the pattern is a good one
	for _, p := range paths {
		names = append(names, path.Dir(p))
	}
	slices.Sort(names)
	return names
}

// builtin reads one connector. Reading takes a while, most of it for the columns of
// its tables.
func builtin(name string) (*spec.Connector, error) {
	file := name + "/connector.yaml"
	data, err := files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return spec.Parse("connectors/"+file, data)
}

// ModelOf is what the provider of a connector publishes of its records, from the model.yaml
// beside its connector.yaml at path, or that of a built-in one where path is ""; nil when
// there is none.
func ModelOf(name, path string) (*model.Model, error) {
	file, read := name+"/model.yaml", files.ReadFile
	if path != "" {
		file, read = filepath.Join(filepath.Dir(fileAt(path)), "model.yaml"), os.ReadFile
	}
	data, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if path == "" {
		file = "connectors/" + file
	}
	return model.Parse(file, data)
}

// Builtin reports whether a connector of this name is in this program.
func Builtin(name string) bool { return slices.Contains(names(), name) }

// IsBuiltin reports whether text is the connector.yaml that is in this program.
func IsBuiltin(name string, text []byte) bool {
	have, err := files.ReadFile(name + "/connector.yaml")
	return err == nil && bytes.Equal(have, text)
}

// IsPath reports whether a name is a path: one with a slash or the ending .yaml, or a
// folder's dots.
func IsPath(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.ContainsAny(name, `/\`) || name == "." || name == ".."
}

// fileAt is the connector.yaml that a path names, by itself or by its folder.
func fileAt(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "connector.yaml")
	}
	return path
}

// read reads a connector.yaml outside this program.
func read(path string) (*spec.Connector, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return spec.Parse(path, data)
}

// Find returns the built-in connector called name, and reads no other; or that at a path.
func Find(name string) (*spec.Connector, error) { return new(Set).Find(name) }
