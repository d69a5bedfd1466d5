package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
)

// ConnectorsSetting lists folders with connectors of one's own, beside those that a
// sluice.yaml has.
const ConnectorsSetting = "SLUICE_CONNECTORS"

// Connectors are those that the file at path can name, or the app settings when path
// is "": built in, and of one's own. A file that cannot be read keeps none of the others
// from being found.
func Connectors(path string) *connectors.Set {
	if path == "" {
		return open(nil)
	}
	named, err := config.FoldersIn(path)
	set := open(named)
	if err != nil {
		set.Lacks(path, err)
	}
	return set
}

// open opens folders that a file names, and those of the app setting.
func open(named []config.Folder) *connectors.Set {
	var list []connectors.Folder
	for _, f := range named {
		list = append(list, connectors.Folder(f))
	}
	for _, path := range filepath.SplitList(os.Getenv(ConnectorsSetting)) {
		if path = strings.TrimSpace(path); path != "" {
			list = append(list, connectors.Folder{Path: path, By: "app setting " + ConnectorsSetting})
		}
	}
	return connectors.Open(list)
}

// In is how a configuration finds connectors, some of which are in folders.
func In(named []config.Folder) (config.Find, []config.Broken) {
	set := open(named)
	return set.Find, cannotBeUsed(set.Folders())
}

func cannotBeUsed(list []connectors.Broken) (broken []config.Broken) {
	for _, b := range list {
		of := config.Broken{Name: b.Name, Err: b.Err}
		if b.Connector != nil {
			of.Connector = b.Name
		}
		broken = append(broken, of)
	}
	return broken
}

// Load reads the file at path, or the app settings when path is "".
func Load(path string, local *config.Workspace) (c *config.Config, err error) {
	var set *connectors.Set
	if path == "" {
		set = open(nil)
		c, err = fromSettings(set, local)
	} else {
		c, err = config.Load(path, func(named []config.Folder) (config.Find, []config.Broken) {
			set = open(named)
			return set.Find, cannotBeUsed(set.Folders())
		}, os.LookupEnv, time.Now(), local)
	}
	if err == nil {
		c.Warnings = append(c.Warnings, replaced(set, c)...)
	}
	return c, err
}

func fromSettings(set *connectors.Set, local *config.Workspace) (*config.Config, error) {
	all, err := set.Outlines()
	if err != nil {
		return nil, err
	}
	c, err := config.FromEnv(all, set.Find, os.Environ(), time.Now(), local)
	broken := cannotBeUsed(set.Broken()) // which settings these have cannot be told
	if err != nil && (len(broken) == 0 || !errors.Is(err, config.ErrNoConnection)) {
		return nil, errors.Join(err, set.Err())
	}
	c.Breaks(broken)
	return c, nil
}

// replaced says which connectors are one's own, where the built-in ones of their names
// might be expected.
func replaced(set *connectors.Set, c *config.Config) (lines []string) {
	for i := range c.Connections {
		of := c.Connections[i].Connector
		line := fmt.Sprintf("the connector %s is %s, and not the built-in one", of.Name, set.Path(of.Name))
		if set.Replaces(of) && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// HasSettings reports whether app settings configure any connection, be it of a connector
// that cannot be used.
func HasSettings() bool {
	set := open(nil)
	all, err := set.Outlines()
	if err != nil {
		return false
	}
	return config.HasEnv(all, os.LookupEnv) || slices.ContainsFunc(set.Broken(), func(b connectors.Broken) bool {
		return b.Connector != nil && slices.ContainsFunc(os.Environ(), func(pair string) bool {
			_, value, _ := strings.Cut(pair, "=")
			return strings.HasPrefix(pair, b.Connector.EnvName("")) && value != ""
		})
	})
}

// ConfigPath is the flag, else sluice.yaml where there is one, else "".
func ConfigPath(flag string) string {
	if flag == "" {
		if _, err := os.Stat("sluice.yaml"); err == nil {
			return "sluice.yaml"
		}
	}
	return flag
}
