package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
)

type backfill struct {
	pastFlags
	output string
	budget time.Duration
}

// pastFlags say which part of the past of which streams a command is about.
type pastFlags struct{ config, stream, from, to string }

func (p *pastFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.config, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	f.StringVar(&p.stream, "stream", "", "only this stream")
	f.StringVar(&p.from, "from", "", "from when: -30d, a date or an RFC 3339 time")
	f.StringVar(&p.to, "to", "", "until when, likewise")
}

func backfillCommand(std *stdio) *cobra.Command {
	var b backfill
	cmd := &cobra.Command{
		Use:   "backfill CONNECTION --from TIME --to TIME",
		Short: "Fetch a part of the past, beside the live collection",
		Long: `Backfill fetches what happened between two times and sends it, in a lane of its own:
the live position is not touched, and both may run at once. Its rows are marked
IsBackfill. Whatever stops it, the same call goes on where it was; when all is
there, it says so.

Exit code 0: complete. 1: an error; what is there stays. 2: a wrong call. 3: its time
was up before all was there.`,
		Example: `  sluice backfill contoso --from 2026-01-01 --to 2026-02-01
  sluice backfill contoso --from -30d --to -7d --stream system_log --budget 2h
  sluice status                    # shows the lane as contoso/system_log@backfill-…`,
		Args: exactlyOne("CONNECTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", b.output, "text", "json"); err != nil {
				return err
			}
			return b.run(cmd, std, args[0])
		},
	}
	b.add(cmd)
	f := cmd.Flags()
	f.DurationVar(&b.budget, "budget", 24*time.Hour, "stop at a page after this time; the same call goes on")
	f.StringVarP(&b.output, "output", "o", "text", "text or json")
	return cmd
}

func (b *backfill) run(cmd *cobra.Command, std *stdio, name string) error {
	from, to, err := b.times(time.Now())
	if err != nil {
		return err
	}
	a, err := configured(cmd, std, b.config)
	if err != nil {
		return err
	}
	conn, err := a.One(name)
	if err != nil {
		return err
	}
	lanes, err := b.lanes(conn, from, to)
	if err != nil {
		return err
	}
	bar := newProgress(std.err, from, to)
	a.Committed = bar.show
	var reps []engine.Report
	deadline := time.Now().Add(b.budget)
	for _, s := range lanes {
		bar.begin(cmd.Context(), a.Engine, s)
		reps = append(reps, a.Run(cmd.Context(), s, max(time.Until(deadline), time.Second)))
		bar.end()
	}
	return printReports(std, reps, b.output)
}

// times reads --from and --to, whole seconds of the past.
func (p *pastFlags) times(now time.Time) (from, to time.Time, err error) {
	if p.from == "" || p.to == "" {
		return from, to, usageError("say which part of the past: --from 2026-01-01 --to 2026-02-01")
	}
	if from, err = config.ParseStart(p.from, now); err != nil {
		return from, to, usageError("--from: %v", err)
	}
	if to, err = config.ParseStart(p.to, now); err != nil {
		return from, to, usageError("--to: %v", err)
	}
	from, to = from.Truncate(time.Second), to.Truncate(time.Second)
	switch {
	case !from.Before(to):
		return from, to, usageError("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	case to.After(now):
		return from, to, usageError("--to %s is in the future", to.Format(time.RFC3339))
	}
	return from, to, nil
}

// streams are those of a connection that the flags name.
func (p *pastFlags) streams(c *app.Connection) ([]*engine.Stream, error) {
	var list, named []*engine.Stream
	var names []string
	for _, s := range c.Prepared {
		names = append(names, s.Name)
		if p.stream == "" || s.Name == p.stream || strings.HasPrefix(s.Name, p.stream+".") { // all its parts
			named = append(named, s)
		}
	}
	if len(named) == 0 {
		return nil, usageError("%s has no stream %q; it has %s", c.Name, p.stream, strings.Join(names, ", "))
	}
	for _, s := range named {
		if s.Position.Kind == engine.Windows {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, usageError("%s goes by %s: it cannot be asked for a part of the past", named[0].Key(), named[0].Position.Kind)
	}
	return list, nil
}

// lanes are the streams of a connection, set apart. The lane's name follows
// from the times, so that the same call finds its checkpoint.
func (b *backfill) lanes(c *app.Connection, from, to time.Time) ([]*engine.Stream, error) {
	const stamp = "20060102T150405Z"
	lanes, err := b.streams(c)
	for i, s := range lanes {
		lane := *s
		lane.Lane = "backfill-" + from.Format(stamp) + "-" + to.Format(stamp)
		lane.Start, lane.Until = from, to
		lanes[i] = &lane
	}
	return lanes, err
}

// progress shows how far a backfill is: a bar on a terminal, a line now and
// then elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	from, to time.Time

	started time.Time
	first   float64 // how far it was when this call began
	shown   time.Time
	open    bool // the bar's line is not ended
}

func newProgress(w io.Writer, from, to time.Time) *progress {
	return &progress{w: w, from: from, to: to, terminal: isTerminal(w)}
}

// begin looks up how far the lane is already.
func (p *progress) begin(ctx context.Context, e *engine.Engine, s *engine.Stream) {
	p.started, p.shown, p.first = time.Now(), time.Time{}, 0
	if c, _, _, err := engine.LoadCheckpoint(ctx, e.Store, s.Key()); err == nil && c != nil {
		p.first = p.done(c.Position, c.LastEvent)
		fmt.Fprintf(p.w, "%s: goes on at %.0f %%\n", s.Key(), 100*p.first)
	}
}

// done is the share of the time range that is there.
func (p *progress) done(position, event time.Time) float64 {
	if event.After(position) {
		position = event
	}
	return min(1, max(0, float64(position.Sub(p.from))/float64(p.to.Sub(p.from))))
}

func (p *progress) show(s *engine.Stream, rep engine.Report) {
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	done := p.done(rep.Position, rep.LastEvent)
	elapsed := now.Sub(p.started).Seconds()
	text := fmt.Sprintf("%s  %3.0f %%  %s  %.0f/s  %s", s.Key(), 100*done, plural(rep.Counts.Fetched, "record"), float64(rep.Counts.Fetched)/max(elapsed, 0.1), p.left(done, elapsed))
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	const width = 30
	filled := int(done * width)
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", filled), strings.Repeat(" ", width-filled), text)
	p.open = true
}

// left estimates the time that is left from the time it took so far.
func (p *progress) left(done, elapsed float64) string {
	gained := done - p.first
	if gained < 0.001 || elapsed < 1 {
		return "time left unknown"
	}
	return "about " + (time.Duration(elapsed/gained*(1-done)) * time.Second).String() + " left"
}

func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}
