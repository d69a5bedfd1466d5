package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/azure/doctor"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsquery"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func doctorCommand(std *stdio) *cobra.Command {
	var path, output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what Sluice needs from its surroundings",
		Long: `Doctor looks at everything that a run hangs on, and says for each what to do when
it is not right: version and digest of this binary, settings and references to
secrets, the identity, names, TLS and clocks of all addresses, the store, the role
on each data collection rule, and the columns of each table against the connectors.
It sends no row and changes nothing; the store gets a small object and loses it again.

The columns of tables are read back from the workspace: that needs its GUID
(workspace: id:, or SLUICE_WORKSPACE_ID) and the role Log Analytics Reader.

Exit code 0: all is well. 1: something has to be done.`,
		Example: `  sluice doctor
  sluice doctor --config sluice.yaml -o json | jq '.[] | select(.status == "fail")'`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			return examine(cmd.Context(), std, path, output)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// examination is a call of doctor.
type examination struct {
	std    *stdio
	live   bool // print each check when it is made
	checks []doctor.Check
	net    *doctor.Network
}

func examine(ctx context.Context, std *stdio, path, output string) error {
	x := &examination{std: std, live: output == "text", net: doctor.System()}
	x.run(ctx, func() (*config.Config, error) { return app.Load(app.ConfigPath(path), nil) })
	if output == "json" {
		if err := printJSON(std.out, x.checks); err != nil {
			return err
		}
	}
	return x.verdict()
}

// run makes all checks.
func (x *examination) run(ctx context.Context, load func() (*config.Config, error)) {
	x.binary()
	x.references()
	defer x.schedules(os.Getenv("FUNCTIONS_APP_ROOT_PATH"), os.Getenv)
	c, err := load()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			x.add(doctor.Check{What: "settings", Status: doctor.Fail, Found: strings.TrimSpace(line), Do: "correct it; the other checks need the settings"})
		}
		return
	}
	x.add(doctor.Check{What: "settings", Status: doctor.OK, Found: fmt.Sprintf("%s, %s", plural(int64(len(c.Connections)), "connection"), plural(int64(len(c.Workspace.Rules)), "rule"))})
	for _, b := range c.Broken {
		x.add(doctor.Check{What: "settings", Subject: b.Name, Status: doctor.Fail, Found: b.Err.Error(), Do: "correct it; the other connections run"})
	}
	x.configured(ctx, c)
}

// verdict is an error when something has to be done.
func (x *examination) verdict() error {
	failed := 0
	for _, check := range x.checks {
		if check.Status == doctor.Fail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%s failed", plural(int64(failed), "check"))
	}
	return nil
}

// add notes a check and shows it to a person.
func (x *examination) add(checks ...doctor.Check) {
	x.checks = append(x.checks, checks...)
	if !x.live {
		return
	}
	w := tabwriter.NewWriter(x.std.out, 9, 0, 2, ' ', 0)
	for _, c := range checks {
		text := c.Found
		if c.Subject != "" {
			text = c.Subject + ": " + text
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Status, c.What, text)
		if c.Do != "" && c.Status != doctor.OK {
			fmt.Fprintf(w, "\t\t→ %s\n", c.Do)
		}
	}
	_ = w.Flush()
}

// binary is which one runs: a release lists the digests of its binaries.
func (x *examination) binary() {
	digest := "unknown"
	if path, err := os.Executable(); err == nil {
		if f, err := os.Open(path); err == nil {
			h := sha256.New()
			if _, err := io.Copy(h, f); err == nil {
				digest = hex.EncodeToString(h.Sum(nil))
			}
			f.Close()
		}
	}
	x.add(doctor.Check{What: "version", Subject: app.Version(), Status: doctor.OK, Found: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH})
	x.add(doctor.Check{What: "digest", Subject: "this binary", Status: doctor.OK, Found: "sha256 " + digest + "; compare it with checksums.txt of the release"})
	if sum := os.Getenv("SLUICE_PACKAGE_SHA256"); sum != "" {
		x.add(doctor.Check{What: "digest", Subject: "the package that was deployed", Status: doctor.OK, Found: "sha256 " + sum})
	}
}

// references finds the Key Vault references that the platform could not resolve.
func (x *examination) references() {
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if err := config.CheckKeyVault(name, value); err != nil {
			_, do, _ := strings.Cut(err.Error(), ": ")
			x.add(doctor.Check{What: "secret", Subject: name, Status: doctor.Fail, Found: "its Key Vault reference is not resolved", Do: do})
		}
	}
}

// schedules finds the functions of an app that the host cannot index, since the setting
// with their schedule has no value: each is three errors whenever the host starts.
func (x *examination) schedules(root string, getenv func(string) string) {
	if root == "" {
		return
	}
	paths, _ := filepath.Glob(filepath.Join(root, "*", "function.json"))
	var functions, missing []string
	for _, path := range paths {
		var doc struct{ Bindings []struct{ Schedule string } }
		data, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(data, &doc) != nil || len(doc.Bindings) == 0 {
			continue
		}
		name, ok := strings.CutPrefix(doc.Bindings[0].Schedule, "%")
		if name = strings.TrimSuffix(name, "%"); ok && getenv(name) == "" {
			functions, missing = append(functions, filepath.Base(filepath.Dir(path))), append(missing, name)
		}
	}
	if len(functions) == 0 {
		return
	}
	x.add(doctor.Check{What: "schedule", Subject: strings.Join(functions, ", "), Status: doctor.Fail, Found: "no value for " + strings.Join(missing, ", ") + ": the host cannot run what has no schedule, and logs three errors for each at every start",
		Do: "set " + missing[0] + ", such as 0 */5 * * * *, with AzureWebJobs_" + functions[0] + "_Disabled = true where it is not to run; or leave the function out of the package (scripts/package -connector)"})
}

// configured are the checks that need settings.
func (x *examination) configured(ctx context.Context, c *config.Config) {
	for _, at := range c.Workspace.Endpoints() {
		x.add(x.net.Reach(ctx, "rows", at)...)
	}
	for _, res := range c.Connections {
		conn, err := app.OpenConnection(&res, nil, nil)
		if err != nil {
			x.add(failed("connection", res.Name, err))
			continue
		}
		x.add(x.net.Reach(ctx, res.Name, conn.Origin())...)
	}
	if c.Store.Container != "" && c.Store.ConnectionString == "" {
		x.add(x.net.Reach(ctx, "store", c.Store.Container)...)
	}
	if !x.identity(ctx, c.Workspace) {
		return
	}
	a, err := app.New(ctx, c, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		x.add(failed("store", storeName(c.Store), err))
		return
	}
	x.store(ctx, a.Store, c.Store)
	x.rules(ctx, a, c.Workspace.Rules)
	x.tables(ctx, a, c)
}

func storeName(s config.Store) string {
	if s.Dir != "" {
		return s.Dir
	}
	return s.Container
}

// failed is a check that ended with an error; an error of ours says what to do.
func failed(what, subject string, err error) doctor.Check {
	c := doctor.Check{What: what, Subject: subject, Status: doctor.Fail, Found: err.Error()}
	var e *engine.Error
	if errors.As(err, &e) && e.Hint != "" {
		c.Found, c.Do = strings.TrimSuffix(c.Found, "; "+e.Hint), e.Hint
	}
	return c
}

// identity asks for a token, as sending rows does, and says whose it is.
func (x *examination) identity(ctx context.Context, w config.Workspace) bool {
	if w.Credential == "none" {
		x.add(doctor.Check{What: "identity", Subject: "none", Status: doctor.OK, Found: "the workspace is on this machine"})
		return true
	}
	scope := app.Clouds[w.Cloud].Audience + "/.default"
	cred, err := app.Credential(w)
	if err == nil {
		var t azcore.AccessToken
		if t, err = cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}}); err == nil {
			x.add(doctor.Check{What: "identity", Subject: w.Credential, Status: doctor.OK, Found: whose(t.Token)})
			return true
		}
	}
	x.add(doctor.Check{What: "identity", Subject: w.Credential, Status: doctor.Fail, Found: firstLine(err.Error()),
		Do: "workspace: credential: names who asks; a user-assigned identity needs AZURE_CLIENT_ID, and on a laptop az login will do"})
	return false
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// whose reads from a token whom it is for. The token itself is never shown.
func whose(token string) string {
	parts := strings.Split(token, ".")
	var claims struct{ Aud, Oid, Appid, Tid string }
	if len(parts) == 3 {
		if body, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(body, &claims) == nil && claims.Oid != "" {
			return fmt.Sprintf("object id %s, application %s, tenant %s", claims.Oid, claims.Appid, claims.Tid)
		}
	}
	return "a token was given"
}

// store writes, reads and deletes an object, in each place that there is.
func (x *examination) store(ctx context.Context, s engine.Store, places config.Store) {
	for _, name := range []string{"doctor/probe.json", engine.QuarantinePrefix + "doctor/probe"} {
		err := s.Put(ctx, name, []byte("{}"))
		if err == nil {
			_, err = s.Get(ctx, name)
		}
		if err == nil {
			err = s.Delete(ctx, name)
		}
		what, at := "checkpoints", storeName(places)
		if strings.HasPrefix(name, engine.QuarantinePrefix) {
			what, at = "quarantine", cmp.Or(places.Quarantine, at)
		}
		if err != nil {
			x.add(failed("store", what+" in "+at, err))
			continue
		}
		x.add(doctor.Check{What: "store", Subject: what, Status: doctor.OK, Found: "written, read and deleted in " + at})
	}
}

// rules sends no rows to each table through its rule, which asks for the role all the
// same. Tables of a rule that answer alike are one check.
func (x *examination) rules(ctx context.Context, a *app.App, rules map[string]config.CollectionRule) {
	type answer struct{ rule, reason string }
	tables := map[answer][]string{}
	errs := map[answer]error{}
	var order []answer
	for _, table := range slices.Sorted(maps.Keys(rules)) {
		err := a.Sink.Upload(ctx, engine.Batch{Table: table, Rows: []byte("[]")})
		how := answer{rule: rules[table].ID}
		var e *engine.Error
		if errors.As(err, &e) && e.Kind == engine.Rejected {
			err = nil // no rows are no request to some; but it was let in
		} else if err != nil {
			how.reason = err.Error()
			if e != nil {
				how.reason = e.Reason
			}
		}
		if tables[how] == nil {
			order = append(order, how)
		}
		tables[how], errs[how] = append(tables[how], table), err
	}
	for _, how := range order {
		subject := how.rule + " for " + strings.Join(tables[how], ", ")
		if err := errs[how]; err != nil {
			x.add(failed("role", subject, err))
			continue
		}
		x.add(doctor.Check{What: "role", Subject: subject, Status: doctor.OK, Found: "may send"})
	}
}

// tables compares the columns of each table with those of the connectors.
func (x *examination) tables(ctx context.Context, a *app.App, c *config.Config) {
	q, err := a.ReadBack()
	if err != nil {
		x.add(doctor.Check{What: "table", Subject: "all", Status: doctor.Skipped, Found: "columns were not compared: " + err.Error()})
		return
	}
	for _, t := range sentTables(c) {
		if err := c.Workspace.Readable(t.Name); err != nil {
			x.add(doctor.Check{What: "table", Subject: t.Name, Status: doctor.Skipped, Found: "columns were not compared: " + err.Error()})
			continue
		}
		have, err := schemaOf(ctx, q, t.Name)
		if err != nil {
			x.add(failed("table", t.Name, err))
			continue
		}
		x.add(doctor.Columns(t.Name, columnsOf(t), have))
	}
}

// sentTables are the tables that the connections send to, and health's, once each.
func sentTables(c *config.Config) []*spec.Table {
	var list []*spec.Table
	for _, conn := range c.Connections {
		for _, s := range conn.Streams() {
			t := conn.Connector.Table(s.Table)
			if !slices.ContainsFunc(list, func(other *spec.Table) bool { return other.Name == t.Name }) {
				list = append(list, t)
			}
		}
	}
	if _, ok := c.Workspace.Rules[sentinel.HealthTable]; ok {
		list = append(list, &spec.Table{Name: sentinel.HealthTable})
	}
	return list
}

// columnsOf are the columns that rows of a table have.
func columnsOf(t *spec.Table) (cols []engine.Column) {
	if t.Name == sentinel.HealthTable {
		for _, c := range sentinel.HealthColumns {
			cols = append(cols, engine.Column{Name: c.Name, Type: c.Type})
		}
		return cols
	}
	for _, c := range t.AllColumns() {
		cols = append(cols, engine.Column{Name: c.Name, Type: c.Type})
	}
	return cols
}

func schemaOf(ctx context.Context, q *logsquery.Client, table string) ([]engine.Column, error) {
	res, err := q.Query(ctx, table+" | getschema")
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, c := range res.Columns {
		at[c.Name] = i
	}
	var cols []engine.Column
	for _, row := range res.Rows {
		var c engine.Column
		if json.Unmarshal(row[at["ColumnName"]], &c.Name) != nil || json.Unmarshal(row[at["ColumnType"]], &c.Type) != nil {
			return nil, fmt.Errorf("unexpected schema of %s", table)
		}
		cols = append(cols, c)
	}
	return cols, nil
}
