package cli

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

func stateCommand(std *stdio) *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at a stream's checkpoint, fetch records again, skip what is stuck, keep a copy, put one back",
		Long: `A stream's checkpoint is all that it remembers between runs. Of it five generations
are kept; a damaged one is passed over. Each change that you make here, and each
copy, is a line in the stream's audit log, which show prints.`,
		Example: `  sluice state show contoso/system_log
  sluice state rewind contoso/system_log --to 2026-03-01T12:00:00Z    # fetch everything since then again
  sluice state skip contoso/system_log                                # go on after the window that is stuck
  sluice state export contoso/system_log > backup.json
  sluice state import contoso/system_log backup.json`,
	}
	f.add(cmd)
	cmd.AddCommand(stateShow(std, &f), stateRewind(std, &f), stateSkip(std, &f), stateBegin(std, &f), stateRelease(std, &f), stateExport(std, &f), stateImport(std, &f))
	return cmd
}

const streamArg = "CONNECTION/STREAM"

// streamAnd wants the name of a stream, and takes a number of further arguments.
func streamAnd(more int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || len(args) > 1+more {
			return exactlyOne(streamArg)(cmd, args)
		}
		if connection, stream, _ := strings.Cut(args[0], "/"); connection == "" || stream == "" {
			return usageError("%q names no stream: write %s, such as contoso/system_log; sluice status shows them", args[0], streamArg)
		}
		return nil
	}
}

// noCheckpoint is the error for a stream that the store does not know.
func noCheckpoint(err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return usageError("%v; sluice status shows the streams, written %s", err, streamArg)
	}
	return err
}

func stateShow(std *stdio, f *storeFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "show " + streamArg, Short: "Print position, window, lease, generations and the audit log", Args: streamAnd(0),
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
			fmt.Fprintf(w, "held by\t%s until %s; sluice state release ends that\n", c.Lease.Holder, stamp(c.Lease.Until))
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
	if st.Torn > 0 {
		fmt.Fprintf(w, "audit log\t%s cannot be read: cut short by a crash\n", plural(int64(st.Torn), "line"))
	}
	return w.Flush()
}

// timeFlag reads a time of the past that a flag gives.
func timeFlag(name, text, missing string) (time.Time, error) {
	if text == "" {
		return time.Time{}, usageError("%s: --%s -24h, --%s 2026-03-01 or --%s 2026-03-01T12:00:00Z", missing, name, name, name)
	}
	at, err := config.ParseStart(text, time.Now())
	if err != nil {
		return at, usageError("--%s: %v", name, err)
	}
	return at, nil
}

func stateRewind(std *stdio, f *storeFlags) *cobra.Command {
	var to string
	var force bool
	cmd := &cobra.Command{
		Use: "rewind " + streamArg + " --to TIME", Short: "Have every record since a time fetched and sent again", Args: streamAnd(0),
		Long: `Rewind sets the position back: the next run fetches everything since then again and
sends it. Rows that the table has already come twice, with the same EventUid. It does
not go forward unless forced, for that skips records (see skip), and not while a run
holds the stream.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := timeFlag("to", to, "say how far back")
			if err != nil {
				return err
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			c, err := e.Rewind(cmd.Context(), args[0], at)
			if errors.Is(err, engine.ErrForward) && force {
				return skip(cmd, std, f, args[0], at)
			}
			if err != nil {
				return noCheckpoint(err)
			}
			fmt.Fprintf(std.out, "%s: position set back from %s to %s; the next run fetches what is since then again\n", c.Stream, c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "how far back: -24h, a date or an RFC 3339 time")
	cmd.Flags().BoolVar(&force, "force", false, "go forward too, as skip does")
	return cmd
}

func stateSkip(std *stdio, f *storeFlags) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "skip " + streamArg + " [--to TIME]", Short: "Go on after what keeps a stream from going on", Args: streamAnd(0),
		Long: `Skip is the way out for a stream that stands still at a page which cannot be read, for
good. It goes on at a time (default: the end of the window at which it stands), and what
was not delivered before is passed over. That stands in the ledger and in the audit log.
The page at which the stream stands, or what is answered in its place, goes to
quarantine as it is. To fetch what was skipped after all, rewind, or backfill.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var at time.Time
			var err error
			if to != "" {
				if at, err = timeFlag("to", to, ""); err != nil {
					return err
				}
			}
			return skip(cmd, std, f, args[0], at)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "where to go on: -1h, a date or an RFC 3339 time")
	return cmd
}

func skip(cmd *cobra.Command, std *stdio, f *storeFlags, key string, to time.Time) error {
	e, err := f.engine(cmd.Context())
	if err != nil {
		return err
	}
	var s *engine.Stream
	if a, err := configured(cmd, std, f.config); err == nil {
		connection, stream, _ := strings.Cut(key, "/")
		name, _, _ := strings.Cut(stream, "@")
		s = streamOf(a, connection, name)
	}
	c, noPage, err := e.Skip(cmd.Context(), key, to, s)
	if err != nil {
		return noCheckpoint(err)
	}
	fmt.Fprintf(std.out, "%s: skipped from %s to %s; the next run goes on there\n", c.Stream, c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
	if noPage != nil {
		fmt.Fprintf(std.out, "the page at which it stood is not in quarantine: %v\n", noPage)
		return nil
	}
	fmt.Fprintf(std.out, "the page at which it stood is in quarantine: sluice quarantine list %s\n", key)
	return nil
}

func stateBegin(std *stdio, f *storeFlags) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "begin " + streamArg + " --from TIME", Short: "Say where a stream goes on whose checkpoint is gone", Args: streamAnd(0),
		Long: `Begin is for a stream whose checkpoint was lost, or cannot be read in any generation,
and of which there is no copy to import. It goes on at the time that you say: what
happened before it is not fetched, what was delivered since comes again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := timeFlag("from", from, "say where to go on")
			if err != nil {
				return err
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			c, err := e.Begin(cmd.Context(), args[0], at)
			if err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s: goes on at %s\n", c.Stream, c.To.Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "where to go on: -24h, a date or an RFC 3339 time")
	return cmd
}

func stateRelease(std *stdio, f *storeFlags) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "release " + streamArg, Short: "End the lease of a run that is gone", Args: streamAnd(0),
		Long: `A run holds its stream by a lease that it renews; one that died lets it go within
minutes. Release ends a lease that does not, such as one that was written while the
clock was wrong. A run that is alive after all is refused its next write, and stops.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			c, err := e.Release(cmd.Context(), args[0], force)
			if errors.Is(err, engine.ErrHeld) {
				return fmt.Errorf("%w; --force ends it all the same", err)
			}
			if err != nil {
				return noCheckpoint(err)
			}
			if c.Broken == nil {
				fmt.Fprintf(std.out, "%s: nobody held it\n", c.Stream)
				return nil
			}
			fmt.Fprintf(std.out, "%s: %s held it until %s; the next run may begin\n", c.Stream, c.Broken.Holder, c.Broken.Until.Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also while the run may be alive")
	return cmd
}

func stateExport(std *stdio, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "export " + streamArg, Short: "Print the checkpoint, for import", Args: streamAnd(0),
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

func stateImport(std *stdio, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "import " + streamArg + " [FILE]", Short: "Make an exported checkpoint the newest one", Args: streamAnd(1),
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
				return fmt.Errorf("import: %w", err)
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
