// Package connectors is what Sluice connects: one folder for each provider.
// A declarative connector is a folder with connector.yaml; nothing lists it.
package connectors

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
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
	paths, err := fs.Glob(files, "*/connector.yaml")
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		data, err := files.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c, err := spec.Parse("connectors/"+path, data)
		if err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	slices.SortFunc(cs, func(a, b *spec.Connector) int { return strings.Compare(a.Name, b.Name) })
	return cs, nil
})

// Find returns the connector called name. A name with a slash or the ending
// .yaml is the path of a connector.yaml outside this program, or of its folder.
func Find(name string) (*spec.Connector, error) {
	if strings.HasSuffix(name, ".yaml") || strings.ContainsAny(name, `/\`) {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			name = filepath.Join(name, "connector.yaml")
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return spec.Parse(name, data)
	}
	cs, err := All()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range cs {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return nil, fmt.Errorf("there is no connector %q%s; there are %s", name, nearest.Hint(name, names), strings.Join(names, ", "))
}
