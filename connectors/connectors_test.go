package connectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestCases runs every case of every connector; see README.md of the project
// for what a case is, and write expectations with -update.
func TestCases(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		t.Run(c.Name, func(t *testing.T) { testkit.Cases(t, c, filepath.Join(c.Name, "testdata")) })
	}
}

// TestRobustness makes cases of each stream's first one in which the provider fails.
func TestRobustness(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		t.Run(c.Name, func(t *testing.T) { testkit.Robust(t, c, filepath.Join(c.Name, "testdata")) })
	}
}

func TestEveryConnectorIsWhole(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, c := range cs {
		if _, err := builtin(c.Name); err != nil {
			t.Errorf("%s is not the name of its folder: %v", c.Name, err)
		}
		if other := names[c.FunctionName()]; other != "" {
			t.Errorf("%s and %s have one function name", c.Name, other)
		}
		names[c.FunctionName()] = c.Name
		for _, s := range c.Settings {
			if other := names[c.EnvName(s.Name)]; other != "" {
				t.Errorf("%s and %s have one app setting %s", c.Name, other, c.EnvName(s.Name))
			}
			names[c.EnvName(s.Name)] = c.Name
		}
		if len(c.Prerequisites) == 0 || len(c.Instructions) == 0 || len(c.Queries) == 0 {
			t.Errorf("%s lacks prerequisites, instructions or queries", c.Name)
		}
		for _, s := range c.Settings {
			if s.Help == "" || s.Label == "" {
				t.Errorf("%s: the setting %s needs a label and a help text", c.Name, s.Name)
			}
		}
		readme, err := os.ReadFile(filepath.Join(c.Name, "README.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"## What it collects", "## Credentials and permissions", "## Tables", "## Known oddities"} {
			if !strings.Contains(string(readme), part) {
				t.Errorf("%s/README.md lacks %q", c.Name, part)
			}
		}
	}
}

func TestFindNamesTheNearest(t *testing.T) {
	_, err := Find("otka")
	if err == nil || !strings.Contains(err.Error(), "did you mean okta?") {
		t.Errorf("error: %v", err)
	}
}

// TestRealRecords runs records that providers really returned, where they are
// at hand: each becomes a row of its table, and nothing of it is dropped but
// what says nothing.
func TestRealRecords(t *testing.T) {
	shared := filepath.Join("..", "..", "shared", "data", "samples")
	if _, err := os.Stat(shared); err != nil {
		t.Skip("records of providers are not in ../shared/data/samples")
	}
	for file, stream := range map[string]string{
		"okta/system_log.json": "okta/system_log", "okta/system_log.2.json": "okta/system_log", "okta/system_log.adapted.json": "okta/system_log",
		"github/audit_log.ndjson": "github/audit_org", "github/audit_log.adapted.json": "github/audit_org",
		"1password/signin_attempts.adapted.json": "1password/signin_attempts", "1password/item_usages.adapted.json": "1password/item_usages",
		"auth0/logs.json": "auth0/logs", "slack/audit.json": "slack/audit",
		"cisco-duo/authentication.json": "cisco-duo/authentication", "cisco-duo/administrator.json": "cisco-duo/administrator", "cisco-duo/trust_monitor.json": "cisco-duo/trust_monitor",
		"entra-id/signins.json": "entra-id/signins", "entra-id/directory_audits.json": "entra-id/directory_audits",
		"office-365/management_activity.json": "office365/audit", "netskope/audit.adapted.json": "netskope/events_audit", "tenable-io/assets.json": "tenable-vm/assets", "tenable-io/vulns.json": "tenable-vm/vulnerabilities",
	} {
		name, s, _ := strings.Cut(stream, "/")
		c, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := c.Stream(s).Compile(c.Table(c.Stream(s).Table), c.Constants(c.Name, "", nil))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(shared, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		m := prog.Runner()
		n, timed := 0, 0
		for rec := range records(t, data) {
			n++
			_, row, err := m.Map(rec, nil)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var cols, extra map[string]any
			if err := errors.Join(json.Unmarshal(append(row, '}'), &cols), json.Unmarshal(append(append([]byte{'{'}, m.Additional()...), '}'), &extra)); err != nil {
				t.Fatalf("%s: %v in %s", file, err, row)
			}
			if len(cols) == 0 {
				t.Errorf("%s: record %d has an empty row", file, n)
			}
			_, held := m.Held()
			at, ok := m.EventTime()
			if held != ok || ok && (at.Year() < 2012 || at.Year() > 2026) {
				t.Errorf("%s: record %d has the event time %v: %s", file, n, at, rec)
			}
			if ok {
				timed++
			}
		}
		// Some adapted records have lost their time; a row gets the time of delivery then.
		if timed*2 < n {
			t.Errorf("%s: %d of %d records have a time", file, timed, n)
		}
		if n < 1 {
			t.Errorf("%s has %d records", file, n)
		}
	}
}

// records yields the elements of a JSON array, or the values of NDJSON.
func records(t *testing.T, data []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		dec := json.NewDecoder(bytes.NewReader(data))
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
			if _, err := dec.Token(); err != nil {
				t.Fatal(err)
			}
		}
		for dec.More() {
			var rec json.RawMessage
			if err := dec.Decode(&rec); err != nil {
				t.Fatal(err)
			}
			if !yield(rec) {
				return
			}
		}
	}
}
