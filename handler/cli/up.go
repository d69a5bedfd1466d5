package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/demo"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/gallery"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/local"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/workspace"
)

func upCommand(std *stdio) *cobra.Command {
	u := &up{std: std}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine, with no account",
		Long: `Up starts a Log Analytics workspace on this machine, a checkpoint store in a
folder, a status page and the scheduler, and collects at once. With no settings
of a real provider it collects from a demo provider. The code that runs is the
one that runs in Azure; only the addresses differ.

Stop it with Ctrl-C; started again it goes on where it was, with nothing twice.`,
		Example: `  sluice up
  OKTA_DOMAIN=contoso.okta.com OKTA_API_TOKEN=… sluice up
  sluice up --config sluice.yaml        # its connections, into the workspace on this machine`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	cmd.Flags().StringVar(&u.path, "config", "", "take the connections from this file (default: sluice.yaml, else app settings, else the demo)")
	cmd.Flags().StringVar(&u.dir, "dir", ".sluice", "folder for checkpoints and rows")
	cmd.Flags().StringVar(&u.port, "port", "8420", "port of the page and of the workspace")
	return cmd
}

// up is what the command up holds together.
type up struct {
	std             *stdio
	path, dir, port string

	addr   string
	isDemo bool
	app    *app.App
	ws     *workspace.Workspace
	all    []*spec.Connector
}

func (u *up) run(cmd *cobra.Command) error {
	ln, err := net.Listen("tcp", "127.0.0.1:"+u.port)
	if err != nil {
		return portTaken(u.port, err)
	}
	defer ln.Close()
	u.addr = "http://" + ln.Addr().String()
	if u.all, err = app.Connectors(app.ConfigPath(u.path)).All(); err != nil {
		return err
	}
	if err := os.MkdirAll(u.dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the folder %s: %w; choose another with --dir", u.dir, err)
	}
	cfg, err := u.config()
	if err == nil && len(cfg.Connections) == 0 {
		err = cfg.Err()
	}
	if err != nil {
		return err
	}
	for _, c := range cfg.Connections { // a connector of one's own, from a file
		if !slices.ContainsFunc(u.all, func(k *spec.Connector) bool { return k.Name == c.Connector.Name }) {
			u.all = append(slices.Clone(u.all), c.Connector)
		}
	}
	if u.ws, err = openWorkspace(filepath.Join(u.dir, "workspace.db"), u.all); err != nil {
		return err
	}
	defer u.ws.Close()
	cfg.Workspace.Rules = rulesOf(u.ws)
	if u.app, err = app.New(cmd.Context(), cfg, logger(cmd, u.std.err), app.Options{}); err != nil {
		return err
	}
	u.app.Reload = u.config
	jobs, err := u.app.Jobs(u.app.Connections(), 10*time.Minute, func(rep *engine.Report) {
		if rep.Outcome != engine.OK || rep.Counts.Fetched > 0 {
			u.say("%s  %s", time.Now().Format("15:04:05"), line(rep))
		}
	})
	if err != nil {
		return err
	}
	srv := netguard.Server(u.handler(), u.app.Log)
	go srv.Serve(ln)
	u.greet()
	defer app.Flush(cmd.Context())
	local.Run(cmd.Context(), u.app.Clock, jobs)
	u.say("Stopped. Start again with the same command: it goes on where it was.")
	return srv.Close()
}

func (u *up) say(format string, args ...any) { fmt.Fprintf(u.std.out, format+"\n", args...) }

func (u *up) greet() {
	var names []string
	var table string
	for _, c := range u.app.Connections() {
		if c.Err == nil {
			names, table = append(names, c.Name), cmp.Or(table, c.Prepared[0].Table())
		}
	}
	from := "the demo provider (no account needed)"
	if !u.isDemo {
		from = strings.Join(names, ", ")
	}
	u.say("Sluice %s is up.", app.Version())
	u.say("  page        %s", u.addr)
	u.say("  collecting  from %s", from)
	for _, c := range u.app.Connections() {
		if c.Err != nil {
			u.say("  not         from %s, which cannot run as configured: %v", c.Name, c.Err)
		}
	}
	u.say("  rows        into %s; for example:", filepath.Join(u.dir, "workspace.db"))
	u.say("              curl -s %s/v1/workspaces/local/query -H 'Content-Type: application/json' -d '{\"query\":\"%s | count\"}'", u.addr, table)
	u.say("  checkpoints in %s; `sluice status` shows them", u.dir)
	u.say("Ctrl-C stops it.")
}

// config takes the connections from a file, from app settings, or is the demo.
func (u *up) config() (*config.Config, error) {
	to := &config.Workspace{Endpoint: u.addr, Credential: "none"}
	var cfg *config.Config
	var err error
	switch path := app.ConfigPath(u.path); {
	case path != "" || app.HasSettings():
		cfg, err = app.Load(path, to)
	default:
		u.isDemo = true
		cfg, err = u.demo(to)
	}
	if err != nil {
		return nil, err
	}
	cfg.Store = config.Store{Dir: u.dir}
	return cfg, nil
}

// demo is a connection of the connector okta to the provider on this machine.
func (u *up) demo(to *config.Workspace) (*config.Config, error) {
	okta, err := connectors.Find("okta")
	if err != nil {
		return nil, err
	}
	start, err := config.ParseStart("", time.Now())
	cfg := &config.Config{Workspace: *to, Connections: []config.Resolved{{
		Name: "demo", Connector: okta, BaseURL: u.addr + "/demo/okta", Schedule: "*/10 * * * * *", Start: start,
		Settings: map[string]string{"domain": "demo.example", "api_token": "demo"},
	}}}
	_, wrong := app.In(nil)
	cfg.Breaks(wrong)
	return cfg, err
}

func (u *up) handler() http.Handler {
	r := chi.NewRouter()
	r.Mount("/demo/okta/api/v1/logs", demo.Handler(time.Now))
	page := gallery.Handler(u.page)
	r.Handle("/", page)
	r.Handle("/api/status", page)
	r.NotFound(u.ws.Handler().ServeHTTP)
	return r
}

// page gathers what the status page shows.
func (u *up) page(ctx context.Context) (*gallery.Page, error) {
	p := &gallery.Page{Version: app.Version(), Address: u.addr, Demo: u.isDemo, Now: time.Now()}
	for _, c := range u.app.Connections() {
		if c.Err != nil {
			p.Streams = append(p.Streams, gallery.Stream{Connection: c.Name, Connector: c.ConnectorName, State: "failed", Reason: "configuration", Message: c.Err.Error()})
		}
		for _, s := range c.Prepared {
			st, err := u.app.Status(ctx, s)
			if err != nil {
				return nil, err
			}
			p.Streams = append(p.Streams, galleryStream(s, &st))
			latest, err := u.latest(s.Table(), c.Name)
			if err != nil {
				return nil, err
			}
			p.Latest = append(p.Latest, latest...)
		}
	}
	slices.SortFunc(p.Latest, func(a, b gallery.Row) int { return strings.Compare(b.Time, a.Time) })
	p.Latest = p.Latest[:min(len(p.Latest), 12)]
	for _, c := range u.all {
		p.Connectors = append(p.Connectors, galleryCard(c))
	}
	return p, nil
}

func galleryStream(s *engine.Stream, st *engine.Status) gallery.Stream {
	g := gallery.Stream{Connection: s.Connection, Connector: s.Connector, Stream: s.Name, Table: s.Table(), State: "waiting", Quarantined: st.Quarantined, Message: st.Problem}
	if r := st.Report; r != nil {
		g.State, g.Reason, g.Message = string(r.Outcome), r.Reason, r.Message
	}
	if c := st.Checkpoint; c != nil {
		g.Rows, g.Repeated, g.Filtered = c.Totals.Acknowledged, c.Totals.Repeated, c.Totals.Filtered
		g.LastEvent, g.Position = c.LastEvent, c.Position
	}
	return g
}

func galleryCard(c *spec.Connector) gallery.Connector {
	g := gallery.Connector{Name: c.Name, Title: c.Title, Publisher: c.Publisher, Tier: c.Support.Tier, Description: c.Description}
	for _, s := range c.Streams {
		g.Streams = append(g.Streams, s.Name)
	}
	for _, t := range c.Tables {
		g.Tables = append(g.Tables, t.Name)
	}
	for _, s := range c.Settings {
		g.Settings = append(g.Settings, c.EnvName(s.Name))
	}
	return g
}

// latest returns the newest rows of a table that a connection brought.
func (u *up) latest(table, connection string) ([]gallery.Row, error) {
	rows, err := u.ws.Latest(table, 12)
	if err != nil {
		return nil, err
	}
	var out []gallery.Row
	for _, raw := range rows {
		var row map[string]any
		if err := json.Unmarshal(raw, &row); err != nil || row["Connection"] != connection {
			continue
		}
		var text []string
		for _, col := range []string{"EventMessage", "Action", "log_source", "ActorUsername", "Actor", "SrcIpAddr", "EventResult"} {
			if s, ok := row[col].(string); ok && s != "" {
				text = append(text, s)
			}
		}
		at, _ := row["TimeGenerated"].(string)
		out = append(out, gallery.Row{Table: table, Time: at, Text: strings.Join(text, " · "), JSON: indentJSON(raw)})
	}
	return out, nil
}

func indentJSON(raw []byte) json.RawMessage {
	var v any
	_ = json.Unmarshal(raw, &v)
	b, _ := json.MarshalIndent(v, "", "  ")
	return b
}

// openWorkspace opens the local workspace with the tables of these connectors.
func openWorkspace(path string, cs []*spec.Connector) (*workspace.Workspace, error) {
	var tables []workspace.Table
	for _, c := range cs {
		for i := range c.Tables {
			tables = append(tables, workspace.Table{Name: c.Tables[i].Name, Columns: c.Tables[i].Schema()})
		}
	}
	health := workspace.Table{Name: sentinel.HealthTable}
	for _, col := range sentinel.HealthColumns {
		typ, _ := kql.ParseType(col.Type)
		health.Columns = append(health.Columns, kql.Column{Name: col.Name, Type: typ})
	}
	return workspace.Open(path, append(tables, health), time.Now)
}

func rulesOf(ws *workspace.Workspace) map[string]config.CollectionRule {
	rules := map[string]config.CollectionRule{}
	for _, r := range ws.Rules() {
		for _, s := range r.Streams {
			rules[s.Table] = config.CollectionRule{ID: r.ID, Stream: s.Name}
		}
	}
	return rules
}

func workspaceCommand(std *stdio) *cobra.Command {
	var db, port, output string
	cmd := &cobra.Command{
		Use:   "workspace",
		Short: "Run only the Log Analytics workspace, on this machine",
		Long: `Workspace is a Log Analytics workspace on this machine, for tests of anything that
sends rows: a token endpoint, the Logs Ingestion API with the service's limits,
status codes and error bodies, and a query endpoint. It has the tables of all
connectors; ten of them share a data collection rule, as in Azure.`,
		Example: `  sluice workspace --db rows.db
  sluice workspace --port 0 -o json     # any free port; prints address and rules as JSON`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			set := known()
			all, err := set.All()
			if err != nil {
				return err
			}
			if wrong := set.Err(); wrong != nil {
				fmt.Fprintf(std.err, "without the tables of what cannot be used:\n%v\n", wrong)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				return portTaken(port, err)
			}
			defer ln.Close()
			ws, err := openWorkspace(db, all)
			if err != nil {
				return err
			}
			defer ws.Close()
			printWorkspace(std.out, "http://"+ln.Addr().String(), ws, output)
			srv := netguard.Server(ws.Handler(), logger(cmd, std.err))
			context.AfterFunc(cmd.Context(), func() { srv.Close() })
			if err := srv.Serve(ln); cmd.Context().Err() == nil {
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&db, "db", ":memory:", "SQLite file for the rows")
	cmd.Flags().StringVar(&port, "port", "8421", "port to listen on; 0 takes a free one")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printWorkspace(w io.Writer, addr string, ws *workspace.Workspace, output string) {
	if output == "json" {
		_ = json.NewEncoder(w).Encode(map[string]any{"endpoint": addr, "rules": rulesOf(ws), "identity_endpoint": addr + "/msi/token", "identity_header": ws.IdentityHeader()})
		return
	}
	fmt.Fprintf(w, "A Log Analytics workspace on this machine: %s\n", addr)
	fmt.Fprintf(w, "  token     POST /{tenant}/oauth2/v2.0/token\n")
	fmt.Fprintf(w, "  rows      POST /dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01\n")
	fmt.Fprintf(w, "  queries   POST /v1/workspaces/local/query, Content-Type: application/json\n")
	fmt.Fprintf(w, "In sluice.yaml:\nworkspace:\n  endpoint: %s\n  credential: none\n  rules:\n", addr)
	for _, r := range ws.Rules() {
		for _, s := range r.Streams {
			fmt.Fprintf(w, "    %s: {id: %s, stream: %s}\n", s.Table, r.ID, s.Name)
		}
	}
}
