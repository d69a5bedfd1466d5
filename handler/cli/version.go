package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
)

func versionCommand(std *stdio) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say which release, commit and date this binary is of",
		Example: "  sluice version\n  sluice version -o json",
		Args:    atMost(0),
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			b := app.BuildInfo()
			if output == "json" {
				return printJSON(std.out, b)
			}
			fmt.Fprintf(std.out, "sluice %s, %s, %s\n", b.Version, b.Go, b.Platform)
			if b.Commit != "" {
				changed := ""
				if b.Modified {
					changed = ", and changes that are in no commit"
				}
				fmt.Fprintf(std.out, "commit %s of %s%s\n", b.Commit, b.Date, changed)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
