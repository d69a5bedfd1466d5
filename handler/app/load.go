package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
)

// ConnectorsSetting lists folders with connectors of one's own where no sluice.yaml does.
const ConnectorsSetting = "SLUICE_CONNECTORS"

// Connectors are those that the file at path can name, or the app settings when path
// is "": built in, and of one's own.
func Connectors(path string) (*connectors.Set, error) {
	if path == "" {
		set, err := connectors.Open(filepath.SplitList(os.Getenv(ConnectorsSetting)))
		if err != nil {
			err = fmt.Errorf("%s: %w", ConnectorsSetting, err)
		}
		return set, err
	}
	folders, err := config.FoldersIn(path)
	if err != nil {
		return nil, err
	}
	set, err := connectors.Open(folders)
	if err != nil {
		err = fmt.Errorf("%s: connectors: %w", path, err)
	}
	return set, err
}

// In is how a configuration finds connectors, some of which are in folders.
func In(folders []string) (config.Find, error) {
	set, err := connectors.Open(folders)
	return set.Find, err
}

// Load reads the file at path, or the app settings when path is "".
func Load(path string, local *config.Workspace) (*config.Config, error) {
	now := time.Now()
	if path != "" {
		return config.Load(path, In, os.LookupEnv, now, local)
	}
	set, err := Connectors("")
	if err != nil {
		return nil, err
	}
	all, broken := set.Outlines()
	if all == nil {
		return nil, broken
	}
	c, err := config.FromEnv(all, set.Find, os.Environ(), now, local)
	if err != nil {
		return nil, errors.Join(err, broken)
	}
	set.Broken(func(folder string, err error) { // which settings it has cannot be told
		c.Broken = append(c.Broken, config.Broken{At: len(c.Connections) + len(c.Broken), Name: folder, Connector: folder, Err: err})
	})
	return c, nil
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
