package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/engine"
)

func reconcileCommand(std *stdio) *cobra.Command {
	var p pastFlags
	var output string
	cmd := &cobra.Command{
		Use:   "reconcile CONNECTION --from TIME --to TIME",
		Short: "Compare what a provider has with what arrived",
		Long: `Reconcile lists a part of the past again at the provider, asks the workspace which of
these events it has, and prints those that are missing and those that are surplus
(in the table, and not or no longer at the provider). It changes nothing.

It needs the workspace's GUID in sluice.yaml (workspace: id:) and, for its identity,
the role Log Analytics Reader. What was sent a few minutes ago may not be there to
be queried yet.

Exit code 0: they agree. 1: an error. 2: a wrong call. 3: something is missing or surplus.`,
		Example: `  sluice reconcile contoso --from -2d --to -1d
  sluice reconcile contoso --from 2026-01-01 --to 2026-01-08 --stream system_log -o json | jq '.[].missing'`,
		Args: exactlyOne("CONNECTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			return reconcile(cmd, std, &p, args[0], output)
		},
	}
	p.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func reconcile(cmd *cobra.Command, std *stdio, p *pastFlags, name, output string) error {
	from, to, err := p.times(time.Now())
	if err != nil {
		return err
	}
	a, err := configured(cmd, std, p.config)
	if err != nil {
		return err
	}
	conn, err := a.One(name)
	if err != nil {
		return err
	}
	list, err := p.streams(conn)
	if err != nil {
		return err
	}
	table, err := a.ReadBack()
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := a.Workspace.Readable(s.Table()); err != nil {
			return fmt.Errorf("%s: %w", s.Key(), err)
		}
	}
	var recs []*engine.Reconciliation
	off := 0
	for _, s := range list {
		shown := time.Now()
		rec, err := a.Reconcile(cmd.Context(), s, engine.Window{From: from, To: to}, table, func(done engine.Window, r *engine.Reconciliation) {
			if time.Since(shown) > 10*time.Second {
				shown = time.Now()
				fmt.Fprintf(std.err, "%s: compared up to %s, %s\n", s.Key(), done.To.Format(time.RFC3339), plural(int64(r.Listed), "event"))
			}
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.Key(), err)
		}
		recs = append(recs, rec)
		off += len(rec.Missing) + len(rec.Surplus)
	}
	if output == "json" {
		if err := printJSON(std.out, recs); err != nil {
			return err
		}
	} else {
		for _, r := range recs {
			printReconciliation(std, r)
		}
	}
	if off > 0 {
		return &codeError{exitBehind, fmt.Errorf("provider and workspace do not agree on %s", plural(int64(off), "event"))}
	}
	return nil
}

// printReconciliation prints the counts and the first of what is off.
func printReconciliation(std *stdio, r *engine.Reconciliation) {
	const most = 20
	span := r.From.Format(time.RFC3339) + " to " + r.To.Format(time.RFC3339)
	fmt.Fprintf(std.out, "%s/%s, %s: %s at the provider; %d in %s, %d filtered, %d in quarantine, %d missing, %d surplus\n",
		r.Connection, r.Stream, span, plural(int64(r.Listed), "event"), r.Arrived, r.Table, r.Filtered, r.Quarantined, len(r.Missing), len(r.Surplus))
	if r.Repeated > 0 {
		fmt.Fprintf(std.out, "  %s came again; %s | summarize take_any(*) by SluiceConnection, EventUid returns each event once\n", plural(int64(r.Repeated), "row"), r.Table)
	}
	for _, part := range []struct {
		what   string
		events []engine.Event
	}{{"missing", r.Missing}, {"surplus", r.Surplus}} {
		for i, e := range part.events {
			if i == most {
				fmt.Fprintf(std.out, "  … and %d more; -o json lists them all\n", len(part.events)-most)
				break
			}
			at := "-"
			if !e.At.IsZero() {
				at = e.At.Format(time.RFC3339)
			}
			fmt.Fprintf(std.out, "  %s  %-20s  %s\n", part.what, at, cell(e.UID))
		}
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(std.out, "  to fetch this time again: sluice backfill %s --stream %s --from %s --to %s\n", r.Connection, r.Stream, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	}
}
