// Package connectors is what Sluice connects: one folder for each provider.
// A declarative connector is a folder with connector.yaml; nothing lists it.
package connectors

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

//go:embed */connector.yaml
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

func isPath(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.ContainsAny(name, `/\`)
}

// Find returns the connector called name, and reads no other. A name with a slash or
// the ending .yaml is the path of a connector.yaml outside this program, or of its
// folder.
func Find(name string) (*spec.Connector, error) {
	if isPath(name) {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			name = filepath.Join(name, "connector.yaml")
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return spec.Parse(name, data)
	}
	if all := names(); !slices.Contains(all, name) {
		return nil, fmt.Errorf("there is no connector %q%s; there are %s", name, nearest.Hint(name, all), strings.Join(all, ", "))
	}
	return builtin(name)
}
