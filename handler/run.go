package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/doctor"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/invoke"
	"github.com/sluice-connectors/sluice/handler/local"
)

func runCommand(std *streams) *cobra.Command {
	var path, name, output string
	var budget, lease time.Duration
	var schedule bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Collect once, until caught up, and exit",
		Long: `Run collects what is new in every connection, sends it, and exits. It is made for
cron and Kubernetes jobs: whatever stops it, the next run goes on where it was.

With --schedule it stays, and collects each connection on its schedule until it is
stopped: for containers and services. Of several that share a store each stream is
collected by one, so that another takes over where one dies. A signal ends it once what
was read is committed, a second one at once.

As many streams are collected at a time as there is memory for: GOMEMLIMIT, else the
container's limit, else 512 MiB for the process.

Exit code 0: caught up. 1: an error; position and data stay. 2: a wrong call.
3: its time was up before it had caught up, or another run holds a stream.`,
		Example: `  sluice run --config sluice.yaml
  sluice run --config sluice.yaml --connection contoso --budget 10m
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
			a, err := configured(cmd, std, path)
			if err != nil {
				return err
			}
			a.LeaseTTL = lease
			conns, err := a.find(name)
			if err != nil {
				return err
			}
			if schedule && slices.ContainsFunc(conns, func(c *connection) bool { return c.err == nil }) {
				a.reload = func() (*config.Config, error) { return loadConfig(configPath(path), nil) }
				return a.stay(cmd.Context(), std, conns, budget, output)
			}
			return printReports(std, a.collectAll(cmd.Context(), conns, budget), output)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	cmd.Flags().StringVar(&name, "connection", "", "only this connection")
	cmd.Flags().DurationVar(&budget, "budget", time.Hour, "stop at a page after this time; the next run goes on")
	cmd.Flags().BoolVar(&schedule, "schedule", false, "stay, and collect on the connections' schedules")
	cmd.Flags().DurationVar(&lease, "lease", engine.DefaultLease, "after this time another run may take a stream over from one that hangs")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// stay collects on the schedules until ctx ends.
func (a *app) stay(ctx context.Context, std *streams, conns []*connection, budget time.Duration, output string) error {
	var mu sync.Mutex
	jobs, err := a.jobs(conns, budget, func(rep *engine.Report) {
		mu.Lock()
		defer mu.Unlock()
		if output == "text" {
			fmt.Fprintf(std.out, "%s  %s\n", a.Clock.Now().Format(time.RFC3339), line(rep))
		} else if b, err := json.Marshal(rep); err == nil {
			fmt.Fprintf(std.out, "%s\n", b)
		}
	})
	if err != nil {
		return err
	}
	local.Run(ctx, a.Clock, jobs)
	return nil
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
func printReports(std *streams, reps []engine.Report, output string) error {
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

func serveCommand(std *streams) *cobra.Command {
	var port string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer the Azure Functions host (custom handler)",
		Long: `Serve is what host.json starts: it listens on 127.0.0.1 at the port that the
Functions host names in FUNCTIONS_CUSTOMHANDLER_PORT and runs a connector when
its timer fires. Connections come from app settings (OKTA_DOMAIN, …) or from a
sluice.yaml in the package. It is the default command when that variable is set.`,
		Example: "  FUNCTIONS_CUSTOMHANDLER_PORT=7071 sluice serve\n  curl -X POST http://127.0.0.1:7071/okta -d '{\"Data\":{},\"Metadata\":{}}'",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port == "" {
				return usageError("no port: the Functions host sets FUNCTIONS_CUSTOMHANDLER_PORT; by hand, give --port")
			}
			// The host makes an error of each line on standard error.
			log := slog.New(slog.NewJSONHandler(std.out, nil))
			ln, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				return portTaken(port, err)
			}
			s := &server{log: log, budget: runBudget(os.Getenv("FUNCTIONS_APP_ROOT_PATH")), stopped: cmd.Context()}
			functions, err := s.functions()
			if err != nil {
				return err
			}
			log.Info("ready", "address", ln.Addr().String(), "version", buildVersion(), "run_budget", s.budget.String())
			srv := &http.Server{Handler: invoke.Handler(functions, log), ReadHeaderTimeout: 30 * time.Second}
			done := make(chan struct{})
			context.AfterFunc(cmd.Context(), func() { shutDown(srv); close(done) })
			if err := srv.Serve(ln); cmd.Context().Err() == nil {
				return err
			}
			<-done
			// The host restarts a handler that ends with any code but 0.
			return &codeError{exitError, fmt.Errorf("stopped by a signal")}
		},
	}
	cmd.Flags().StringVar(&port, "port", os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), "port to listen on")
	return cmd
}

// shutDown lets the runs under way come to their next page, and say how they went.
func shutDown(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	_ = srv.Shutdown(ctx)
	_ = srv.Close()
}

// server runs connectors for the host. The configuration is read at the first run
// and, while what all share is wrong, at each one: a role may come later. What is
// wrong with a connection stops no other, and is looked at again by its own runs.
type server struct {
	log    *slog.Logger
	budget time.Duration
	// stopped ends when the process is told to stop; nil: never.
	stopped context.Context

	mu  sync.Mutex
	app *app
}

func (s *server) open(ctx context.Context) (*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app != nil {
		return s.app, nil
	}
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	a, err := newApp(ctx, c, s.log)
	if err != nil {
		return nil, err
	}
	a.reload = s.config
	s.app = a
	return a, nil
}

func (s *server) config() (*config.Config, error) { return loadConfig(configPath(""), nil) }

// functions makes one function of each connector, and the doctor's.
func (s *server) functions() (map[string]invoke.Func, error) {
	all, err := connectors.All()
	if err != nil {
		return nil, err
	}
	functions := map[string]invoke.Func{"doctor": s.doctor}
	for _, c := range all {
		functions[c.FunctionName()] = func(ctx context.Context, in *invoke.Invocation) ([]string, error) {
			return s.collect(ctx, c.Name, in)
		}
	}
	return functions, nil
}

// doctor makes the checks of the command doctor where the app runs: with its identity,
// its network and its settings. It fails when something has to be done.
func (s *server) doctor(ctx context.Context, in *invoke.Invocation) (logs []string, err error) {
	x := &examination{net: doctor.System()}
	x.run(ctx, s.config)
	for _, c := range x.checks {
		s.log.Info("check", "invocation", in.ID, "check", c)
		text := fmt.Sprintf("%s %s %s: %s", c.Status, c.What, c.Subject, c.Found)
		if c.Do != "" && c.Status != doctor.OK {
			text += " → " + c.Do
		}
		logs = append(logs, text)
	}
	return logs, x.verdict()
}

func (s *server) collect(ctx context.Context, connector string, in *invoke.Invocation) (logs []string, err error) {
	if s.stopped != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.stopped, cancel)()
	}
	a, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if t, err := in.Timer("timer"); err == nil && t.PastDue {
		s.log.Info("the timer is past due", "function", in.Function, "invocation", in.ID)
	}
	var conns []*connection
	for _, conn := range a.connections() {
		if conn.connector == connector {
			conns = append(conns, conn)
		}
	}
	failed := 0
	for _, rep := range a.collectAll(ctx, conns, s.budget) {
		s.log.Info("run", "invocation", in.ID, "trace", in.Trace, "report", rep)
		logs = append(logs, line(&rep))
		if rep.Outcome == engine.Failed || rep.Outcome == engine.Stalled {
			failed++
		}
	}
	switch {
	case len(logs) == 0:
		return []string{"no connection of " + connector + " is configured"}, nil
	case failed > 0:
		return logs, fmt.Errorf("%d of %d streams and connections failed: %s", failed, len(logs), strings.Join(logs, " | "))
	}
	return logs, nil
}

// runBudget is 80 % of the host's time limit, which stands in host.json, or less where
// that is short: a run may end half a minute after its time, when a provider hangs.
func runBudget(root string) time.Duration {
	limit := 30 * time.Minute // the default of every plan but Consumption
	var host struct{ FunctionTimeout string }
	data, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err == nil && json.Unmarshal(data, &host) == nil {
		var h, m, s int
		if _, err := fmt.Sscanf(host.FunctionTimeout, "%d:%d:%d", &h, &m, &s); err == nil && h >= 0 {
			limit = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
		}
	}
	return max(min(limit*8/10, limit-45*time.Second), limit/4)
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
