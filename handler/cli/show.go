package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func validateCommand(std *stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE…]",
		Short: "Check connector.yaml and sluice.yaml files",
		Long: `Validate checks files and says what is wrong, with line and column, and what was
probably meant. A file with connections is checked as a sluice.yaml, any other
as a connector.yaml, and held against the model.yaml beside it if there is one: what the
provider publishes of its records (sluice model). Environment variables that a sluice.yaml refers to need not
be set. With no file, all connectors are checked, those of your own too, and ./sluice.yaml.`,
		Example: "  sluice validate\n  sluice validate connectors/okta/connector.yaml sluice.yaml",
		RunE: func(_ *cobra.Command, files []string) error {
			var errs []error
			if len(files) == 0 {
				path := app.ConfigPath("")
				errs = append(errs, validateConnectors(std, known(), path))
				if path != "" {
					files = []string{path}
				}
			}
			for _, f := range files {
				notes, err := validateFile(f)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(std.out, "%s: ok\n", f)
				for _, note := range notes {
					fmt.Fprintf(std.out, "  %s\n", note)
				}
			}
			return errors.Join(errs...)
		},
	}
}

// validateConnectors checks all connectors. Of folders the file at path says what is wrong.
func validateConnectors(std *stdio, set *connectors.Set, path string) error {
	all, err := set.All()
	for _, c := range all {
		fmt.Fprintf(std.out, "%s: ok, %d streams, %d columns\n", c.Name, len(c.Streams), columns(c))
	}
	errs := []error{err}
	for _, b := range set.Broken() {
		if b.Connector != nil || path == "" {
			errs = append(errs, b.Err)
		}
	}
	return errors.Join(errs...)
}

func columns(c *spec.Connector) (n int) {
	for _, t := range c.Tables {
		n += len(t.Columns)
	}
	return n
}

// validateFile checks a file; notes are what somebody should know of one that is right.
func validateFile(path string) (notes []string, err error) {
	if at, err := os.Stat(path); err == nil && at.IsDir() {
		return nil, fmt.Errorf("%s is a folder: name a file in it, such as %s", path, filepath.Join(path, "connector.yaml"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	switch places, err := spec.Decode(path, data, new(config.File)); {
	case places == nil:
		return nil, err
	case !places.Has("connections") && !places.Has("workspace"):
		return validateConnector(path, data)
	}
	set := func(name string) (string, bool) {
		if v, ok := os.LookupEnv(name); ok {
			return v, true
		}
		return "unset", true
	}
	c, err := config.Parse(path, data, app.In, set, time.Now(), nil)
	if err != nil {
		return nil, err
	}
	return nil, c.Err()
}

// validateConnector checks a connector.yaml, and holds it against the model beside it.
func validateConnector(path string, data []byte) (notes []string, err error) {
	c, err := spec.Parse(path, data)
	if err != nil {
		return nil, err
	}
	m, err := connectors.ModelOf(c.Name, path)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return []string{"there is no model.yaml beside it, so nobody has looked whether the provider has what the columns read: sluice model"}, nil
	}
	places, err := spec.Decode(path, data, new(spec.Connector))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, f := range m.Check(c) {
		if problem := places.Problem(f.At, "%s", f.Msg); f.Narrow {
			notes = append(notes, problem.Error()+"; what does not fit is in AdditionalFields")
		} else {
			errs = append(errs, problem)
		}
	}
	return notes, errors.Join(errs...)
}

func schemaCommand(std *stdio) *cobra.Command {
	return &cobra.Command{
		Use:       "schema [connector|config]",
		Short:     "Print the JSON Schema of connector.yaml, or of sluice.yaml, for editors",
		Example:   "  sluice schema > connector.schema.json\n  sluice schema config > sluice.schema.json",
		Args:      atMost(1),
		ValidArgs: []string{"connector", "config"},
		RunE: func(_ *cobra.Command, args []string) error {
			switch of := append(args, "connector")[0]; of {
			case "connector":
				return printJSON(std.out, spec.Schema())
			case "config":
				return printJSON(std.out, config.Schema())
			default:
				return usageError("there is no schema of %q: want connector or config", of)
			}
		},
	}
}

// known are the connectors that can be named here.
func known() *connectors.Set { return app.Connectors(app.ConfigPath("")) }

func connectorsCommand(std *stdio) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "connectors",
		Short:   "List the connectors and the settings that they need",
		Example: "  sluice connectors\n  sluice connectors -o json | jq '.[].settings'",
		Args:    atMost(0),
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			set := known()
			all, err := set.All()
			if err != nil {
				return err
			}
			broken := set.Err()
			if output == "json" {
				return errors.Join(json.NewEncoder(std.out).Encode(describeAll(all)), broken)
			}
			for _, c := range all {
				fmt.Fprintf(std.out, "%s: %s (%s)\n", c.Name, c.Title, c.Publisher)
				if path := set.Path(c.Name); path != "" {
					fmt.Fprintf(std.out, "  from     %s\n", path)
				}
				for _, s := range c.Streams {
					fmt.Fprintf(std.out, "  stream   %s -> %s\n", s.Name, s.Table)
				}
				for _, s := range c.Settings {
					marks := ""
					if s.Required {
						marks += ", required"
					}
					if s.Secret {
						marks += ", secret"
					}
					fmt.Fprintf(std.out, "  setting  %s (%s%s): %s\n", s.Name, c.EnvName(s.Name), marks, s.Help)
				}
			}
			return broken
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// describeAll is the connectors as scripts want them.
func describeAll(all []*spec.Connector) []map[string]any {
	var out []map[string]any
	for _, c := range all {
		var streams, settings []map[string]any
		for _, s := range c.Streams {
			streams = append(streams, map[string]any{"name": s.Name, "table": s.Table, "needs": s.Needs})
		}
		for _, s := range c.Settings {
			settings = append(settings, map[string]any{"name": s.Name, "app_setting": c.EnvName(s.Name), "required": s.Required, "secret": s.Secret, "help": s.Help})
		}
		out = append(out, map[string]any{"name": c.Name, "title": c.Title, "publisher": c.Publisher, "support": c.Support.Tier,
			"function": c.FunctionName(), "schedule": c.Schedule, "streams": streams, "settings": settings})
	}
	return out
}

// storeFlags are the flags of commands that only need the store.
type storeFlags struct {
	config, dir string
	broken      []config.Broken // connections that cannot run, when engine has read the configuration
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.config, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	cmd.PersistentFlags().StringVar(&f.dir, "dir", "", "store folder, instead of the configuration's (default of up: .sluice)")
}

// engine opens the store and nothing else.
func (f *storeFlags) engine(ctx context.Context) (*engine.Engine, error) {
	st := config.Store{Dir: f.dir}
	var w config.Workspace
	if f.dir == "" {
		if path := app.ConfigPath(f.config); path != "" || app.HasSettings() && !uphere() {
			c, err := app.Load(path, nil)
			if err != nil {
				return nil, err
			}
			st, w, f.broken = c.Store, c.Workspace, c.Broken
		} else {
			st.Dir = ".sluice"
		}
	}
	if st.Dir != "" {
		if _, err := os.Stat(st.Dir); err != nil {
			return nil, fmt.Errorf("there is no store at %s: nothing has run here yet, or give --dir or --config", st.Dir)
		}
	}
	cred, err := app.Credential(w)
	if err != nil {
		return nil, err
	}
	store, err := app.OpenStore(ctx, st, cred)
	if err != nil {
		return nil, err
	}
	e := sentinel.NewEngine(store, nil, slog.Default())
	e.Holder, e.Alive = app.Holder(), app.Alive
	return e, nil
}

// uphere reports whether up has run in this folder, and nothing says that rows go
// elsewhere: settings of a provider are in the environment for it, too.
func uphere() bool {
	for _, name := range []string{"SLUICE_ENDPOINT", "SLUICE_RULES", "SLUICE_STORE"} {
		if os.Getenv(name) != "" {
			return false
		}
	}
	_, err := os.Stat(".sluice")
	return err == nil
}

func statusCommand(std *stdio) *cobra.Command {
	var f storeFlags
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how each stream is doing",
		Long: `Status reads the store: how the last run of each stream ended, up to when it is
complete, how many records wait in quarantine.

Exit code 1 when a stream failed or is stalled, so that a probe can use it.`,
		Example: "  sluice status\n  sluice status --config sluice.yaml -o json | jq '.[] | {connection, state: .status.last_run.outcome}'",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			e, err := f.engine(cmd.Context())
			if err != nil {
				return err
			}
			return printStatus(cmd.Context(), std, e, f.broken, output)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

type streamStatus struct {
	Connection string        `json:"connection"`
	Stream     string        `json:"stream"`
	Status     engine.Status `json:"status"`
}

func printStatus(ctx context.Context, std *stdio, e *engine.Engine, broken []config.Broken, output string) error {
	list := []streamStatus{}
	for name, err := range e.Store.List(ctx, "health/") {
		if err != nil {
			return err
		}
		key, ours := strings.CutSuffix(strings.TrimPrefix(name, "health/"), ".json")
		conn, stream, two := strings.Cut(key, "/")
		if !ours || !two { // something that lies there
			continue
		}
		st, err := e.Status(ctx, &engine.Stream{Connection: conn, Name: stream})
		if err != nil {
			return err
		}
		if st.Checkpoint != nil {
			st.Checkpoint.Seen = nil // long, and of no use to a reader
		}
		list = append(list, streamStatus{conn, stream, st})
	}
	for _, b := range broken {
		list = append(list, streamStatus{b.Name, "", engine.Status{Report: &engine.Report{Connection: b.Name, Connector: b.Connector, Outcome: engine.Failed, Reason: "configuration", Message: b.Err.Error()}}})
	}
	if output == "json" {
		if err := printJSON(std.out, list); err != nil {
			return err
		}
	} else if err := statusTable(std, list); err != nil {
		return err
	}
	bad := 0
	for _, s := range list {
		if r := s.Status.Report; s.Status.Problem != "" || r != nil && (r.Outcome == engine.Failed || r.Outcome == engine.Stalled) {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d streams need attention", bad, len(list))
	}
	return nil
}

func statusTable(std *stdio, list []streamStatus) error {
	if len(list) == 0 {
		fmt.Fprintln(std.out, "No stream has run yet.")
		return nil
	}
	tw := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "STREAM\tSTATE\tROWS\tQUARANTINE\tCOMPLETE UP TO\tLAST RUN")
	var notes []string
	for _, s := range list {
		r, c, key := s.Status.Report, s.Status.Checkpoint, strings.TrimSuffix(s.Connection+"/"+s.Stream, "/")
		rows, upTo, state, at := int64(0), "-", "-", "-"
		if c != nil {
			rows, upTo = c.Totals.Acknowledged, c.Position.Format(time.RFC3339)
		}
		if r != nil {
			state = string(r.Outcome)
			if !r.Started.IsZero() {
				at = r.Started.Format(time.RFC3339)
			}
			if r.Message != "" {
				notes = append(notes, key+": "+r.Message)
			}
		}
		if s.Status.Problem != "" && (r == nil || r.Message != s.Status.Problem) {
			notes = append(notes, s.Status.Problem)
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%s\t%s\n", key, state, rows, s.Status.Quarantined, upTo, at)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintln(std.out, n)
	}
	return nil
}
