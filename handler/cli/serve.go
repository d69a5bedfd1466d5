package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/azure/doctor"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/invoke"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func serveCommand(std *stdio) *cobra.Command {
	var port string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer the Azure Functions host (custom handler)",
		Long: `Serve is what host.json starts: it listens on 127.0.0.1 at the port that the
Functions host names in FUNCTIONS_CUSTOMHANDLER_PORT and runs a connector when
its timer fires. Connections come from app settings (OKTA_DOMAIN, …) or from a
sluice.yaml in the package. It is the default command when that variable is set.

A run ends itself before the host's time limit: AzureFunctionsJobHost__functionTimeout,
else functionTimeout in host.json, else the plan's. Of a failed run the host shows the
reason in the invocation's exception, and a line for each failure as an error.`,
		Example: "  FUNCTIONS_CUSTOMHANDLER_PORT=7071 sluice serve\n  curl -X POST http://127.0.0.1:7071/okta -d '{\"Data\":{},\"Metadata\":{}}'",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port == "" {
				return usageError("no port: the Functions host sets FUNCTIONS_CUSTOMHANDLER_PORT; by hand, give --port")
			}
			ln, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				return portTaken(port, err)
			}
			return serve(cmd.Context(), std, ln)
		},
	}
	cmd.Flags().StringVar(&port, "port", os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), "port to listen on")
	return cmd
}

// serve answers the host until ctx ends.
func serve(ctx context.Context, std *stdio, ln net.Listener) error {
	if os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT") != "" {
		ctx, std = withHost(ctx, std)
	}
	log := slog.New(newHostLog(std.out, std.err))
	limit, err := hostLimit(os.Getenv("FUNCTIONS_APP_ROOT_PATH"), os.Environ())
	if err != nil {
		log.Error(err.Error())
	}
	if err := checkHostLevel(); err != nil {
		log.Error(err.Error())
	}
	s := &server{log: log, limit: limit, stopped: ctx}
	functions, err := s.functions()
	if err != nil {
		return err
	}
	log.Info("ready", "address", ln.Addr().String(), "version", app.Version(), "run_budget", runBudget(limit).String())
	srv := &http.Server{Handler: invoke.Handler(functions, log), ReadHeaderTimeout: 30 * time.Second}
	done := make(chan struct{})
	context.AfterFunc(ctx, func() { shutDown(srv); close(done) })
	if err := srv.Serve(ln); ctx.Err() == nil {
		return err
	}
	<-done
	// The host restarts a handler that ends with any code but 0.
	return &codeError{exitError, errors.New("stopped by a signal, or since the host is gone")}
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
	log   *slog.Logger
	limit time.Duration // of the host, for each run
	// stopped ends when the process is told to stop; nil: never.
	stopped context.Context

	mu  sync.Mutex
	app *app.App
}

func (s *server) open(ctx context.Context) (*app.App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app != nil {
		return s.app, nil
	}
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	a, err := app.New(ctx, c, s.log, app.Options{})
	if err != nil {
		return nil, err
	}
	a.Reload = s.config
	s.app = a
	return a, nil
}

func (s *server) config() (*config.Config, error) { return app.Load(app.ConfigPath(""), nil) }

// functions makes one function of each connector, be it one that cannot be used yet, and
// the doctor's, which none takes the place of.
func (s *server) functions() (map[string]invoke.Func, error) {
	set := known()
	all, err := set.Outlines()
	if err != nil {
		return nil, err
	}
	functions := map[string]invoke.Func{}
	for _, b := range set.Broken() {
		s.log.Error("connectors of one's own cannot be used", "error", b.Err)
		if b.Connector != nil {
			functions[b.Connector.FunctionName()] = s.function(b.Name)
		}
	}
	if len(set.Folders()) > 0 { // those of connections whose connectors may be in there
		for _, name := range s.brokenConnectors() {
			functions[(&spec.Connector{Name: name}).FunctionName()] = s.function(name)
		}
	}
	for _, c := range all {
		functions[c.FunctionName()] = s.function(c.Name)
	}
	functions["doctor"] = s.doctor
	return functions, nil
}

// brokenConnectors are the connectors of connections that cannot run.
func (s *server) brokenConnectors() (names []string) {
	c, err := s.config()
	if err != nil {
		return nil // each run says so
	}
	for _, b := range c.Broken {
		if b.Connector != "" {
			names = append(names, b.Connector)
		}
	}
	return names
}

// function collects the connections of a connector.
func (s *server) function(connector string) invoke.Func {
	return func(ctx context.Context, in *invoke.Invocation) ([]string, error) {
		return s.collect(ctx, connector, in)
	}
}

// doctor makes the checks of the command doctor where the app runs: with its identity,
// its network and its settings. It fails when something has to be done; then the host
// shows the checks that failed first, and all the others too.
func (s *server) doctor(ctx context.Context, in *invoke.Invocation) (logs []string, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	x := &examination{net: doctor.System()}
	x.run(ctx, s.config)
	log := s.log.With(in.Attrs()...)
	var failures invoke.Failures
	for _, c := range x.checks {
		text := checkLine(c)
		logs = append(logs, text)
		if c.Status == doctor.Fail {
			failures = append(failures, text)
			continue
		}
		log.Info(text, "check", c)
	}
	if len(failures) == 0 {
		return logs, nil
	}
	return logs, failures
}

// checkLine is a check in one line.
func checkLine(c doctor.Check) string {
	text := string(c.Status) + " " + c.What
	if c.Subject != "" {
		text += " " + c.Subject
	}
	text += ": " + c.Found
	if c.Do != "" && c.Status != doctor.OK {
		text += " → " + c.Do
	}
	return text
}

// bounded is ctx with an end before the host kills the process, and with it the runs
// of all other functions: every call of a run obeys it.
func (s *server) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.limit-killMargin(s.limit))
}

func (s *server) collect(ctx context.Context, connector string, in *invoke.Invocation) (logs []string, err error) {
	began := time.Now()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if s.stopped != nil {
		defer context.AfterFunc(s.stopped, cancel)()
	}
	a, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	log := s.log.With(in.Attrs()...)
	if t, err := in.Timer("timer"); err == nil && t.PastDue {
		log.Info("the timer is past due")
	}
	var conns []*app.Connection
	for _, conn := range a.Connections() {
		if conn.ConnectorName == connector {
			conns = append(conns, conn)
		}
	}
	var failures invoke.Failures
	for _, rep := range a.CollectAll(app.WithLog(app.Traced(ctx, in.Trace), log), conns, runBudget(s.limit)-time.Since(began)) {
		log.Info("run", "report", rep)
		logs = append(logs, line(&rep))
		if rep.Outcome == engine.Failed || rep.Outcome == engine.Stalled {
			failures = append(failures, failure(&rep))
		}
	}
	switch {
	case len(logs) == 0:
		return []string{"no connection of " + connector + " is configured"}, nil
	case len(failures) > 0:
		return logs, failures
	}
	return logs, nil
}

// failure says where a run failed, its code and why, in this order: of a long line the
// host shows the beginning.
func failure(rep *engine.Report) string {
	at := rep.Connection
	if rep.Stream != "" {
		at += "/" + rep.Stream
	}
	reason := rep.Reason
	if reason == "" {
		reason = string(rep.Outcome)
	}
	return at + ": " + reason + ": " + rep.Message
}
