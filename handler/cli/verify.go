package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsquery"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func verifyCommand(std *stdio) *cobra.Command {
	v := &verification{std: std}
	var path string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Send a canary row to each table and compare what arrived",
		Long: `Verify sends one row to the table of each stream, through its data collection rule,
waits until a query returns it, and compares it column by column: it finds what a
service that answers 204 does not tell, such as a column that a rule or table lacks.

The rows stay: their EventUid begins with sluice-canary-, their SluiceConnection is
sluice-verify, and the functions TABLE_Events leave them out. A new table takes up
to 15 minutes to show its first row.

It needs the workspace's GUID (workspace: id:, or SLUICE_WORKSPACE_ID) and, for the
identity, the role Log Analytics Reader.

Exit code 0: every row arrived as it was sent. 1: an error, or a connection that cannot
run. 3: a row did not arrive so.`,
		Example: "  sluice verify\n  sluice verify --table OktaV2_CL --timeout 2m -o json",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", v.output, "text", "json"); err != nil {
				return err
			}
			c, err := app.Load(app.ConfigPath(path), nil)
			if err != nil {
				return err
			}
			a, err := app.New(cmd.Context(), c, logger(cmd, std.err), app.Options{})
			if err != nil {
				return err
			}
			if v.query, err = a.ReadBack(); err != nil {
				return err
			}
			v.app = a
			var apart []error // tables that cannot be read back
			for _, t := range sentTables(c) {
				if v.only != "" && v.only != t.Name {
					continue
				}
				if err := c.Workspace.Readable(t.Name); err != nil {
					apart = append(apart, err)
					continue
				}
				v.canaries = append(v.canaries, newSentRow(t.Name, columnsOf(t), a.Clock.Now(), samples(c, t)))
			}
			if broken := c.Err(); len(v.canaries) == 0 && (len(apart) > 0 || broken != nil) {
				return errors.Join(append(apart, broken)...) // the table may be one of theirs
			}
			for _, err := range apart {
				fmt.Fprintln(std.err, "left out:", err)
			}
			if len(v.canaries) == 0 {
				return usageError("no stream sends to the table %q", v.only)
			}
			if err := v.run(cmd.Context()); err != nil || v.only != "" || len(c.Broken) == 0 {
				return err
			}
			return fmt.Errorf("%s cannot run as configured, and no table of theirs was looked at", plural(int64(len(c.Broken)), "connection"))
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	cmd.Flags().StringVar(&v.only, "table", "", "only this table")
	cmd.Flags().DurationVar(&v.timeout, "timeout", 15*time.Minute, "how long to wait for rows")
	cmd.Flags().StringVarP(&v.output, "output", "o", "text", "text or json")
	return cmd
}

// verification is a call of verify.
type verification struct {
	std      *stdio
	only     string
	output   string
	timeout  time.Duration
	app      *app.App
	query    *logsquery.Client
	canaries []*sentRow
}

// sentRow is a row that is sent to see it arrive.
type sentRow struct {
	Table   string   `json:"table"`
	UID     string   `json:"event_uid"`
	Arrived bool     `json:"arrived"`
	Seconds int64    `json:"seconds,omitempty"` // until a query returned it
	Off     []string `json:"off,omitempty"`     // what differs, column by column
	Error   string   `json:"error,omitempty"`
	columns []engine.Column
	row     map[string]any
}

// samples are what dynamic columns of a table hold, as far as it is known what the provider
// sends. Rules look for what has no user agent or address: a row that has only a mark
// would be found by them.
func samples(c *config.Config, t *spec.Table) map[string]any {
	cells := map[string]any{}
	for i := range c.Connections {
		conn := c.Connections[i].Connector
		m, err := connectors.ModelOf(conn.Name, "")
		if conn.Table(t.Name) == nil || err != nil || m == nil {
			continue
		}
		for _, col := range t.Columns {
			var v any
			if col.Type == "dynamic" && json.Unmarshal(m.Sample(conn, t, col.Name), &v) == nil {
				cells[col.Name] = v
			}
		}
	}
	return cells
}

// newSentRow makes a row with a value in each column; those of cells are given.
func newSentRow(table string, columns []engine.Column, now time.Time, cells map[string]any) *sentRow {
	now = now.UTC().Truncate(time.Millisecond)
	c := &sentRow{Table: table, UID: sentinel.CanaryUID(now), columns: columns, row: map[string]any{}}
	for i, col := range columns {
		c.row[col.Name] = map[string]any{
			"string": "canary " + col.Name, "int": i, "long": int64(1)<<53 + int64(i), "real": float64(i) + 0.5, "bool": i%2 == 0,
			"datetime": now.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000Z"),
			"dynamic":  map[string]any{"canary": col.Name, "n": i}, "guid": fmt.Sprintf("00000000-0000-4000-8000-%012d", i),
		}[col.Type]
	}
	maps.Copy(c.row, cells)
	c.row["TimeGenerated"] = now.Format("2006-01-02T15:04:05.000Z")
	if _, ok := c.row["EventUid"]; ok {
		c.row["EventUid"], c.row["SluiceConnection"] = c.UID, sentinel.CanaryConnection
	} else {
		c.row["SluiceConnection"], c.row["Stream"] = sentinel.CanaryConnection, c.healthStream() // the health table
	}
	return c
}

// healthStream is the stream of a canary in the health table. Like a lane's it has an @:
// what watches health leaves it out, however alarming its values are.
func (c *sentRow) healthStream() string { return "@" + c.UID }

// find is the query that returns the canary.
func (c *sentRow) find() string {
	if c.Table == sentinel.HealthTable {
		return fmt.Sprintf("%s | where Stream == \"%s\"", c.Table, c.healthStream())
	}
	return fmt.Sprintf("%s | where EventUid == \"%s\"", c.Table, c.UID)
}

func (v *verification) run(ctx context.Context) error {
	for _, c := range v.canaries {
		rows, err := json.Marshal([]any{c.row})
		if err == nil {
			err = v.app.Sink.Upload(ctx, engine.Batch{Table: c.Table, Rows: rows, Ends: []int{len(rows) - 1}})
		}
		if err != nil {
			c.Error = err.Error()
		}
	}
	sent := v.app.Clock.Now()
	if err := v.wait(ctx, sent); err != nil {
		return err
	}
	if v.output == "json" {
		if err := printJSON(v.std.out, v.canaries); err != nil {
			return err
		}
	}
	bad := 0
	for _, c := range v.canaries {
		if c.Error != "" || !c.Arrived || len(c.Off) > 0 {
			bad++
		}
	}
	if bad > 0 {
		return &codeError{exitBehind, fmt.Errorf("%d of %s did not arrive as sent", bad, plural(int64(len(v.canaries)), "row"))}
	}
	return nil
}

// wait asks for the canaries until all have come or the time is up.
func (v *verification) wait(ctx context.Context, sent time.Time) error {
	open := slices.Clone(v.canaries)
	for {
		now := v.app.Clock.Now()
		open = slices.DeleteFunc(open, func(c *sentRow) bool {
			done := c.Error != "" || v.look(ctx, c, now.Sub(sent))
			if done {
				v.show(c)
			}
			return done
		})
		switch {
		case len(open) == 0:
			return nil
		case now.Sub(sent) >= v.timeout:
			for _, c := range open {
				c.Error = fmt.Sprintf("it did not arrive in %s; look into DCRLogErrors, and run sluice doctor", v.timeout)
				v.show(c)
			}
			return nil
		}
		fmt.Fprintf(v.std.err, "waiting for %s, for %s so far\n", plural(int64(len(open)), "row"), now.Sub(sent).Round(time.Second))
		if err := v.app.Clock.Sleep(ctx, min(10*time.Second, v.timeout)); err != nil {
			return err
		}
	}
}

// look asks for a canary, and reports whether that is settled. A query may fail while
// a table is new.
func (v *verification) look(ctx context.Context, c *sentRow, after time.Duration) bool {
	res, err := v.query.Query(ctx, c.find())
	var e *engine.Error
	if errors.As(err, &e) && e.Kind == engine.Auth {
		c.Error = err.Error()
		return true
	}
	if err != nil || len(res.Rows) == 0 {
		return false
	}
	c.Arrived, c.Seconds = true, int64(after.Seconds())
	got := map[string]json.RawMessage{}
	for i, col := range res.Columns {
		got[col.Name] = res.Rows[0][i]
	}
	for _, col := range c.columns {
		raw, ok := got[col.Name]
		if want := c.row[col.Name]; !ok || !sameValue(col.Type, want, raw) {
			found := "is not there"
			if ok {
				found = "is " + string(raw)
			}
			c.Off = append(c.Off, fmt.Sprintf("%s %s, sent as %v", col.Name, found, want))
		}
	}
	return true
}

// sameValue compares a value with what the query API returned for it.
func sameValue(typ string, want any, raw json.RawMessage) bool {
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	switch typ {
	case "datetime":
		got, err := time.Parse(time.RFC3339Nano, text)
		sent, _ := time.Parse(time.RFC3339Nano, want.(string))
		return err == nil && got.Equal(sent)
	case "dynamic":
		if isText {
			raw = json.RawMessage(text) // the API writes it as a text
		}
	case "string", "guid":
		return isText && strings.EqualFold(text, want.(string))
	}
	var got, sent any
	b, _ := json.Marshal(want)
	if json.Unmarshal(b, &sent) != nil || json.Unmarshal(raw, &got) != nil {
		return false
	}
	if typ == "long" { // beyond what a float64 holds
		return string(b) == string(raw)
	}
	return reflect.DeepEqual(got, sent)
}

func (v *verification) show(c *sentRow) {
	if v.output == "json" {
		return
	}
	switch {
	case c.Error != "":
		fmt.Fprintf(v.std.out, "FAIL  %s: %s\n", c.Table, c.Error)
	case len(c.Off) > 0:
		fmt.Fprintf(v.std.out, "FAIL  %s: arrived after %d s, but %d of %s differ\n", c.Table, c.Seconds, len(c.Off), plural(int64(len(c.columns)), "column"))
		for _, off := range c.Off {
			fmt.Fprintf(v.std.out, "        %s\n", off)
		}
	default:
		fmt.Fprintf(v.std.out, "ok    %s: %s as sent, after %d s\n", c.Table, plural(int64(len(c.columns)), "column"), c.Seconds)
	}
}
