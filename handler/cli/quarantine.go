package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/engine"
)

func quarantineCommand(std *stdio) *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Look at records that could not be delivered, send them again, or delete them",
		Long: `A record that the service rejects is kept in quarantine with the reason, and the
others go on. When the cause is mended, replay maps it anew and sends it.`,
		Example: `  sluice quarantine list
  sluice quarantine show contoso/system_log/1f0c…
  sluice quarantine replay --config sluice.yaml            # all of them
  sluice quarantine purge contoso/system_log/1f0c…`,
	}
	f.add(cmd)
	cmd.AddCommand(quarantineList(std, &f), quarantineShow(std, &f), quarantineReplay(std, &f), quarantinePurge(std, &f))
	return cmd
}

func quarantineList(std *stdio, f *storeFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list [CONNECTION[/STREAM]]", Short: "List what is kept", Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			n := 0
			enc := json.NewEncoder(std.out)
			tw := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
			err = e.Quarantine(cmd.Context(), append(args, "")[0], func(q *engine.Quarantined) error {
				n++
				if output == "json" {
					return enc.Encode(q)
				}
				_, err := fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", q.At.Format(time.RFC3339), q.ID, q.Reason, q.Detail)
				return err
			})
			if err == nil && n == 0 && output == "text" {
				fmt.Fprintln(tw, "The quarantine is empty.")
			}
			return errors.Join(err, tw.Flush())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, or json: one object a line")
	return cmd
}

func quarantineShow(std *stdio, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Print a record as the provider sent it", Args: exactlyOne("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			q, err := e.Quarantined(cmd.Context(), args[0])
			if err != nil {
				return unknownID(args[0], err)
			}
			record := q.Original()
			if isTerminal(std.out) { // which the record must not steer
				record = []byte(cell(string(record)))
			}
			_, err = std.out.Write(append(record, '\n'))
			return err
		},
	}
}

func unknownID(id string, err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return usageError("nothing is kept under %q; sluice quarantine list shows the IDs", id)
	}
	return err
}

func quarantineReplay(std *stdio, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "replay [ID]", Short: "Map kept records anew and send them; delivered ones leave the quarantine", Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := configured(cmd, std, f.config)
			if err != nil {
				return err
			}
			sent, kept, archived := 0, 0, 0
			one := func(q *engine.Quarantined) error {
				if q.Sent && len(args) == 0 {
					archived++ // its row was sent, with a text cut; what is kept is the original
					return nil
				}
				s := streamOf(a, q.Connection, q.Stream)
				if s == nil {
					kept++
					fmt.Fprintf(std.out, "%s: stays: %v\n", q.ID, whyNoStream(a, q.Connection))
					return nil
				}
				if err := a.Replay(cmd.Context(), s, q); err != nil {
					kept++
					fmt.Fprintf(std.out, "%s: stays: %v\n", q.ID, err)
					return nil
				}
				sent++
				return nil
			}
			if err := each(cmd.Context(), a, args, one); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%d sent, %d left in quarantine", sent, kept)
			if archived > 0 {
				fmt.Fprintf(std.out, "; %d are originals of rows that were sent with a text cut", archived)
			}
			fmt.Fprintln(std.out)
			if kept > 0 {
				return &codeError{exitBehind, fmt.Errorf("%s left in quarantine, for the reasons above", plural(int64(kept), "record"))}
			}
			return nil
		},
	}
}

// each calls f with the record that args names, or with all.
func each(ctx context.Context, a *app.App, args []string, f func(*engine.Quarantined) error) error {
	if len(args) == 0 {
		return a.Quarantine(ctx, "", f)
	}
	q, err := a.Quarantined(ctx, args[0])
	if err != nil {
		return unknownID(args[0], err)
	}
	return f(q)
}

func streamOf(a *app.App, connection, name string) *engine.Stream {
	for _, c := range a.Connections() {
		for _, s := range c.Prepared {
			if s.Connection == connection && s.Name == name {
				return s
			}
		}
	}
	return nil
}

// whyNoStream says why a connection has not the stream of a record that is kept.
func whyNoStream(a *app.App, connection string) error {
	for _, c := range a.Connections() {
		if c.Name == connection && c.Err != nil {
			return c.Err
		}
	}
	return errors.New("its connection is not configured")
}

func quarantinePurge(std *stdio, f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use: "purge ID", Short: "Delete a kept record for good", Args: exactlyOne("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			if err := e.Purge(cmd.Context(), args[0]); err != nil {
				return unknownID(args[0], err)
			}
			fmt.Fprintln(std.out, "deleted", args[0])
			return nil
		},
	}
}
