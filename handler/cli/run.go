package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/engine"
)

func runCommand(std *stdio) *cobra.Command {
	var path, name, output string
	var budget, lease time.Duration
	var schedule bool
	var opt app.Options
	var watched watching
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Collect once, until caught up, and exit",
		Long: `Run collects what is new in every connection, sends it, and exits. It is made for
cron and Kubernetes jobs: whatever stops it, the next run goes on where it was.

With --schedule it stays, and collects each connection on its schedule until it is
stopped: for containers and services. Of several that share a store each stream is
collected by one, so that another takes over where one dies. A signal ends it once what
was read is committed, a second one at once.

When sluice.yaml changes, or at SIGHUP, it is read again: runs under way come to their
next page, and what is new begins. One that is wrong is named in the log, and changes
nothing.

With --listen it can be watched: /healthz fails when a connection's runs no longer end,
/readyz while a stream's last run failed, /metrics is for Prometheus. Off this machine
nothing else is served there.

As many streams are collected at a time as there is memory for: GOMEMLIMIT, else the
container's limit, else 512 MiB for the process.

Exit code 0: caught up. 1: an error; position and data stay. 2: a wrong call.
3: its time was up before it had caught up, or another run holds a stream.`,
		Example: `  sluice run --config sluice.yaml
  sluice run --config sluice.yaml --connection contoso --budget 10m
  sluice run --schedule --listen 127.0.0.1:9090           # curl http://127.0.0.1:9090/readyz
  sluice run --schedule --budget 10m -o json             # a line of JSON for each stream and run
  sluice run --config sluice.yaml -o json | jq '.[] | select(.outcome != "ok")'`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			for flag, d := range map[string]time.Duration{"lease": lease, "budget": budget} {
				if d < time.Second {
					return usageError("--%s %s is too short: give 1s or more", flag, d)
				}
			}
			if err := watched.check(schedule); err != nil {
				return err
			}
			if opt.SideBySide < 1 {
				return usageError("--side-by-side %d: want 1 or more", opt.SideBySide)
			}
			a, err := configured(cmd, std, path, opt)
			if err != nil {
				return err
			}
			a.LeaseTTL = lease
			defer sayStopping(cmd.Context(), std)()
			conns, err := a.Find(name)
			if err != nil {
				return err
			}
			if schedule && canRun(conns) {
				again := func() (*app.App, error) {
					next, err := configured(cmd, std, path, opt)
					if err == nil {
						next.LeaseTTL = lease
					}
					return next, err
				}
				s := &staying{std: std, path: app.ConfigPath(path), connection: name, budget: budget, output: output, watched: watched, open: again}
				return s.run(cmd.Context(), a)
			}
			return printReports(std, a.CollectAll(cmd.Context(), conns, budget), output)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	cmd.Flags().StringVar(&name, "connection", "", "only this connection")
	cmd.Flags().DurationVar(&budget, "budget", time.Hour, "stop at a page after this time; the next run goes on")
	cmd.Flags().IntVar(&opt.SideBySide, "side-by-side", app.SideBySide(), "connections that are collected at a time")
	cmd.Flags().BoolVar(&schedule, "schedule", false, "stay, and collect on the connections' schedules")
	cmd.Flags().StringVar(&watched.listen, "listen", "", "with --schedule: serve /healthz, /readyz and /metrics at HOST:PORT")
	cmd.Flags().BoolVar(&watched.profile, "pprof", false, "with --listen on this machine: serve /debug/pprof too")
	cmd.Flags().DurationVar(&lease, "lease", engine.DefaultLease, "after this time another run may take a stream over from one that hangs")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// sayStopping tells who stops the program that it takes a moment.
func sayStopping(ctx context.Context, std *stdio) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		fmt.Fprintln(std.err, "sluice: stopping as soon as what was read is committed; a second signal ends it at once")
	})
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return usageError("--%s is %q, want %s", flag, value, strings.Join(allowed, " or "))
}

// printReports prints what runs did, and turns the worst of them into an error.
func printReports(std *stdio, reps []engine.Report, output string) error {
	if output == "json" {
		if err := printJSON(std.out, reps); err != nil {
			return err
		}
	}
	failed, behind, broken, lost := 0, 0, 0, ""
	for i := range reps {
		if output == "text" {
			fmt.Fprintln(std.out, line(&reps[i]))
		}
		switch {
		case reps[i].Outcome == engine.OK:
		case reps[i].Stream == "":
			broken++
		case reps[i].Outcome == engine.Failed:
			failed++
			if reps[i].Reason == "gap_retention" {
				lost = reps[i].Connection + "/" + reps[i].Stream
			}
		default:
			behind++
		}
	}
	streams := len(reps) - broken
	switch {
	case broken > 0 && streams == 0:
		return fmt.Errorf("%s cannot run as configured", plural(int64(broken), "connection"))
	case broken > 0:
		return fmt.Errorf("%s cannot run as configured; of the others' streams %d of %d failed", plural(int64(broken), "connection"), failed, streams)
	case lost != "":
		return fmt.Errorf("%d of %d streams failed; of %s records may be lost, as its message says", failed, streams, lost)
	case failed > 0:
		return fmt.Errorf("%d of %d streams failed; their positions stay, and nothing is passed over", failed, streams)
	case behind > 0:
		return &codeError{exitBehind, fmt.Errorf("%d of %d streams did not catch up; the next run goes on there", behind, streams)}
	}
	return nil
}

// portTaken says why a port cannot be listened on.
func portTaken(port string, err error) error {
	if n, bad := strconv.ParseUint(port, 10, 16); bad != nil {
		return usageError("--port is %q, want a number up to 65535; 0 takes a free one", port)
	} else if n > 0 && n < 1024 && errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("cannot listen on 127.0.0.1:%s: ports below 1024 are the system's; choose another with --port", port)
	}
	return fmt.Errorf("cannot listen on 127.0.0.1:%s: another process has the port: stop it, or choose another with --port", port)
}
