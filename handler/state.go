package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
)

func stateCommand(std *streams) *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at a stream's checkpoint, fetch records again, keep a copy, put one back",
		Long: `A stream's checkpoint is all that it remembers between runs. Of it five generations
are kept; a damaged one is passed over. Each change that you make here, and each
copy, is a line in the stream's audit log, which show prints.`,
		Example: `  sluice state show contoso/system_log
  sluice state rewind contoso/system_log --to 2026-03-01T12:00:00Z    # fetch everything since then again
  sluice state export contoso/system_log > backup.json
  sluice state import contoso/system_log backup.json`,
	}
	f.add(cmd)
	cmd.AddCommand(stateShow(std, &f), stateRewind(std, &f), stateExport(std, &f), stateImport(std, &f))
	return cmd
}

const streamArg = "CONNECTION/STREAM"

// noCheckpoint is the error for a stream that the store does not know.
func noCheckpoint(err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return usageError("%v; sluice status shows the streams, written %s", err, streamArg)
	}
	return err
}

func stateShow(std *streams, f *storeFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "show " + streamArg, Short: "Print position, window, lease, generations and the audit log", Args: exactlyOne(streamArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			st, err := e.State(cmd.Context(), args[0])
			if err != nil {
				return noCheckpoint(err)
			}
			if output == "json" {
				return printJSON(std.out, st)
			}
			return printState(std.out, st)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printState(out io.Writer, st *engine.State) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format(time.RFC3339)
	}
	if c := st.Checkpoint; c == nil {
		fmt.Fprintln(w, "position\tunknown: no generation can be read; put a copy back with sluice state import")
	} else {
		fmt.Fprintf(w, "position\t%s (every record before it has been dealt with)\n", stamp(c.Position))
		if p := c.Window; p != nil {
			fmt.Fprintf(w, "window\t%s to %s, %s listed\n", stamp(p.From), stamp(p.To), plural(p.Pages, "page"))
		}
		for _, g := range c.Gaps {
			fmt.Fprintf(w, "but for\t%s to %s, which the lane %s catches up on\n", stamp(g.From), stamp(g.To), g.Lane)
		}
		fmt.Fprintf(w, "newest event\t%s\n", stamp(c.LastEvent))
		fmt.Fprintf(w, "known ids\t%d, which are passed over when they come again\n", st.KnownIDs)
		fmt.Fprintf(w, "totals\t%d fetched = %d acknowledged + %d filtered + %d in quarantine; %d windows\n", c.Totals.Fetched, c.Totals.Acknowledged, c.Totals.Filtered, c.Totals.Quarantined, c.Windows)
		if c.Lease != nil {
			fmt.Fprintf(w, "held by\t%s until %s\n", c.Lease.Holder, stamp(c.Lease.Until))
		}
		fmt.Fprintf(w, "fence\t%d holders so far\n", c.Fence)
	}
	for _, g := range st.Generations {
		what := "damaged: " + g.Problem
		if g.Checkpoint != nil {
			what = "position " + stamp(g.Checkpoint.Position) + ", written " + stamp(g.Checkpoint.Updated)
		}
		fmt.Fprintf(w, "generation %d\t%s, %d bytes\n", g.Number, what, g.Bytes)
	}
	for _, c := range st.Changes {
		result := ""
		if c.Failed != "" {
			result = ", failed: " + c.Failed
		}
		fmt.Fprintf(w, "%s\t%s from %s to %s, by %s%s\n", stamp(c.At), c.Action, stamp(c.From), stamp(c.To), c.By, result)
	}
	return w.Flush()
}

func stateRewind(std *streams, f *storeFlags) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "rewind " + streamArg + " --to TIME", Short: "Have every record since a time fetched and sent again", Args: exactlyOne(streamArg),
		Long: `Rewind sets the position back: the next run fetches everything since then again and
sends it. Rows that the table has already come twice, with the same EventUid. It does
not go forward, for that would skip records, and not while a run holds the stream.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usageError("say how far back: --to -24h, --to 2026-03-01 or --to 2026-03-01T12:00:00Z")
			}
			at, err := config.ParseStart(to, time.Now())
			if err != nil {
				return usageError("--to: %v", err)
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			c, err := e.Rewind(cmd.Context(), args[0], at)
			if err != nil {
				return noCheckpoint(err)
			}
			fmt.Fprintf(std.out, "%s: position set back from %s to %s; the next run fetches what is since then again\n", c.Stream, c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "how far back: -24h, a date or an RFC 3339 time")
	return cmd
}

func stateExport(std *streams, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "export " + streamArg, Short: "Print the checkpoint, for import", Args: exactlyOne(streamArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			data, err := e.Export(cmd.Context(), args[0])
			if err != nil {
				return noCheckpoint(err)
			}
			_, err = std.out.Write(append(data, '\n'))
			return err
		},
	}
}

func stateImport(std *streams, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "import " + streamArg + " [FILE]", Short: "Make an exported checkpoint the newest one", Args: cobra.RangeArgs(1, 2),
		Long: `Import puts a checkpoint back that export printed, from a file or standard input, also
where none of the stored ones can be read. It has to be whole, of the same stream, and
not ahead of the present position.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readInput(args[1:], std.in)
			if err != nil {
				return err
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			c, err := e.Import(cmd.Context(), args[0], data)
			if err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s: goes on at %s\n", c.Stream, c.To.Format(time.RFC3339))
			return nil
		},
	}
}

// readInput reads the file that args names, or standard input.
func readInput(args []string, in io.Reader) ([]byte, error) {
	var data []byte
	var err error
	if len(args) == 0 {
		data, err = io.ReadAll(in)
	} else {
		data, err = os.ReadFile(args[0])
	}
	return []byte(strings.TrimSpace(string(data))), err
}
