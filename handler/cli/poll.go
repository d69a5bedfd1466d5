package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func pollCommand(std *stdio) *cobra.Command {
	var p poll
	cmd := &cobra.Command{
		Use:   "poll CONNECTOR",
		Short: "Fetch from a provider and print rows; keeps no state",
		Long: `Poll asks a provider for a range of time and prints the rows that would be sent.
Nothing is sent and nothing is remembered. Settings come from --set and from the
environment (OKTA_DOMAIN, OKTA_API_TOKEN); secrets from the environment only.`,
		Example: `  export OKTA_API_TOKEN=…
  sluice poll okta --set domain=contoso.okta.com --from -1h
  sluice poll okta --set domain=contoso.okta.com --from 2026-03-01 --to 2026-03-02 -o json > rows.json
  sluice poll github --set organization=contoso --stream audit_org --limit 20 -o table`,
		Args: exactlyOne("CONNECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", p.output, "ndjson", "json", "table"); err != nil {
				return err
			}
			p.connector = args[0]
			return p.run(cmd.Context(), std, logger(cmd, std.err))
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.stream, "stream", "", "only this stream")
	f.StringVar(&p.from, "from", "-1h", "from when: -1h, -7d, a date or an RFC 3339 time")
	f.StringVar(&p.to, "to", "", "until when (default: now)")
	f.StringArrayVar(&p.set, "set", nil, "a setting: name=value (repeat for more)")
	f.StringVar(&p.base, "base-url", "", "another address of the provider")
	f.IntVar(&p.limit, "limit", 0, "stop after this many rows")
	f.StringVarP(&p.output, "output", "o", "ndjson", "ndjson, json or table")
	return cmd
}

func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError("%s takes one %s; %s --help tells more", cmd.Name(), what, cmd.CommandPath())
		}
		return nil
	}
}

func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError("%s takes no %q; %s --help tells more", cmd.Name(), args[n], cmd.CommandPath())
		}
		return nil
	}
}

type poll struct {
	connector, stream, from, to, base, output string
	set                                       []string
	limit                                     int
}

func (p *poll) run(ctx context.Context, std *stdio, log *slog.Logger) error {
	now := time.Now()
	if p.limit < 0 {
		return usageError("--limit is %d, want a number of rows; 0 means all", p.limit)
	}
	from, to, err := p.times(now)
	if err != nil {
		return err
	}
	res, err := p.resolve(now)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "sluice-poll-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	store, err := dir.Open(tmp)
	if err != nil {
		return err
	}
	out := &printer{w: std.out, output: p.output, limit: p.limit}
	e := sentinel.NewEngine(store, out, log)
	e.Notices = sentinel.Workspace{NoHealth: true}
	var list []*spec.Stream
	for _, s := range res.Streams() {
		if p.stream == "" || s.Name == p.stream {
			list = append(list, s)
		}
	}
	streams, err := app.NewStreams(res, store, log, list)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		ask(stream, from, to, now, std.err)
		rep := e.Run(ctx, stream, time.Hour)
		if rep.Err != nil && !out.full() {
			return errors.Join(out.close(), rep.Err)
		}
	}
	return errors.Join(out.close(), unprintable(ctx, e, std.err))
}

// times reads --from and --to.
func (p *poll) times(now time.Time) (from, to time.Time, err error) {
	if from, err = config.ParseStart(p.from, now); err != nil {
		return from, to, usageError("--from: %v", err)
	}
	to = now
	if p.to != "" {
		if to, err = config.ParseStart(p.to, now); err != nil {
			return from, to, usageError("--to: %v", err)
		}
	}
	switch {
	case !from.Before(to):
		err = usageError("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	case to.After(now):
		err = usageError("--to %s is in the future", to.Format(time.RFC3339))
	}
	return from, to, err
}

// ask has a stream ask for a range of time, also of what the provider says to have no
// longer. Where it is asked by days, and there is no whole one in the range, the last
// whole one is.
func ask(s *engine.Stream, from, to, now time.Time, w io.Writer) {
	if unit := s.Position.Granularity; s.Position.Kind == engine.Windows && unit > time.Second && !to.Truncate(unit).After(from) {
		from, to = to.Truncate(unit).Add(-unit), to.Truncate(unit)
		fmt.Fprintf(w, "%s: the provider is asked by units of %s, so this is from %s to %s\n", s.Name, spec.Duration(unit), from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	s.Start = from
	s.Position.Lag, s.Position.Retention = now.Sub(to), 0
}

// mostUnprintable is how many records without a row are named one by one.
const mostUnprintable = 5

// unprintable names what came and is no row; it is an error that there is any.
func unprintable(ctx context.Context, e *engine.Engine, w io.Writer) error {
	n := 0
	err := e.Quarantine(ctx, "", func(q *engine.Quarantined) error {
		if q.Sent {
			return nil // a text of its row was cut, visibly
		}
		if n++; n <= mostUnprintable {
			fmt.Fprintf(w, "%s: no row: %s: %s: %s\n", q.Stream, q.Reason, q.Detail, clip(string(q.Original()), 200))
		}
		return nil
	})
	if err == nil && n > 0 {
		err = fmt.Errorf("%s came that can be no row; a run would put what came into quarantine", plural(int64(n), "record"))
	}
	return err
}

func (p *poll) resolve(now time.Time) (*config.Resolved, error) {
	conn := config.Connection{Connector: p.connector, BaseURL: p.base, Start: p.from, Settings: map[string]string{}}
	for _, kv := range p.set {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, usageError("--set %s: want name=value", kv)
		}
		conn.Settings[k] = v
	}
	res, err := config.One(conn, known().Find, os.LookupEnv, now)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	if p.stream != "" && !slices.ContainsFunc(res.Connector.Streams, func(s spec.Stream) bool { return s.Name == p.stream }) {
		var names []string
		for _, s := range res.Connector.Streams {
			names = append(names, s.Name)
		}
		return nil, usageError("%s has no stream %q; it has %s", p.connector, p.stream, strings.Join(names, ", "))
	}
	return res, nil
}

// errEnough ends a listing that has printed what was asked for.
var errEnough = errors.New("enough rows")
