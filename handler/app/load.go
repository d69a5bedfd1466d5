package app

import (
	"os"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
)

// Load reads the file at path, or the app settings when path is "".
func Load(path string, local *config.Workspace) (*config.Config, error) {
	now := time.Now()
	if path != "" {
		return config.Load(path, connectors.Find, os.LookupEnv, now, local)
	}
	all, err := connectors.Outlines()
	if err != nil {
		return nil, err
	}
	return config.FromEnv(all, connectors.Find, os.Environ(), now, local)
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
