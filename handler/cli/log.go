package cli

import (
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

// levels are what --log-level and SLUICE_LOG_LEVEL may be.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// logFlags gives all commands the flags of the log, and refuses what they cannot be.
func logFlags(root *cobra.Command) {
	root.PersistentFlags().String("log-level", "info", "debug, info, warn or error; debug has a line for each request, page, batch and commit")
	root.PersistentFlags().String("log-format", "text", "text or json")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		level, format := logSettings(cmd)
		if err := oneOf("log-level", level, "debug", "info", "warn", "error"); err != nil {
			return err
		}
		return oneOf("log-format", format, "text", "json")
	}
}

func logSettings(cmd *cobra.Command) (level, format string) {
	level, _ = cmd.Flags().GetString("log-level")
	format, _ = cmd.Flags().GetString("log-format")
	return level, format
}

// logger logs to standard error.
func logger(cmd *cobra.Command, w io.Writer) *slog.Logger {
	level, format := logSettings(cmd)
	opt := &slog.HandlerOptions{Level: levels[level]}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// hostLevel is the level of the log in a function app, by its setting SLUICE_LOG_LEVEL;
// info where that says nothing that there is.
func hostLevel() slog.Level { return levels[os.Getenv("SLUICE_LOG_LEVEL")] }

// checkHostLevel is an error for a level that there is not. It says neither the level nor
// those that there are: of a line with "warn" in it the host makes a warning.
func checkHostLevel() error {
	level := os.Getenv("SLUICE_LOG_LEVEL")
	if _, known := levels[level]; level != "" && !known {
		return errors.New("SLUICE_LOG_LEVEL names no level, and is taken for info; it can be what --log-level can, such as debug or error, in small letters")
	}
	return nil
}
