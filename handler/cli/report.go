package cli

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/engine"
)

// configured is the app of a command that reads the configuration at path.
func configured(cmd *cobra.Command, std *stdio, path string, opt ...app.Options) (*app.App, error) {
	c, err := app.Load(app.ConfigPath(path), nil)
	if err != nil {
		return nil, err
	}
	return app.New(cmd.Context(), c, logger(cmd, std.err), append(opt, app.Options{})[0])
}

// line says what a run did, for a person.
func line(rep *engine.Report) string {
	if rep.Stream == "" {
		return rep.Connection + ": FAILED (" + rep.Reason + "): " + rep.Message
	}
	key := rep.Connection + "/" + rep.Stream
	n := rep.Counts
	var extra string
	for _, x := range []struct {
		n    int64
		what string
	}{{n.Filtered, "filtered"}, {n.Quarantined, "in quarantine"}, {n.Repeated, "known already"}, {n.Truncated, "with a text cut"}} {
		if x.n > 0 {
			extra += fmt.Sprintf(", %d %s", x.n, x.what)
		}
	}
	late := int64(0)
	for _, n := range rep.Late {
		late += n
	}
	if late > 0 {
		extra += fmt.Sprintf(", %d late", late)
	}
	for _, col := range slices.Sorted(maps.Keys(rep.Unfit)) {
		extra += fmt.Sprintf(", %s did not fit in %d", col, rep.Unfit[col])
	}
	s := fmt.Sprintf("%s: %s to %s%s", key, plural(n.Acknowledged, "row"), rep.Table, extra)
	switch rep.Outcome {
	case engine.OK:
		s += fmt.Sprintf("; caught up to %s", rep.Position.Format(time.RFC3339))
		for _, g := range rep.Gaps {
			s += fmt.Sprintf(", but for %s to %s, which %s catches up on", g.From.Format(time.RFC3339), g.To.Format(time.RFC3339), g.Lane)
		}
		return s
	case engine.Skipped:
		return key + ": skipped, " + rep.Message
	case engine.Failed:
		return s + "; FAILED (" + rep.Reason + "): " + rep.Message
	}
	return s + "; " + string(rep.Outcome) + ": " + rep.Message
}

// plural counts things: 1 row, 2 rows.
func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
