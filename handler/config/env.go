package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// ErrNoConnection is of app settings that are right, and of no connector. The configuration
// is whole but for a connection.
var ErrNoConnection = errors.New("no connector has its app settings: give for example OKTA_DOMAIN and OKTA_API_TOKEN; sluice connectors lists all")

// FromEnv makes a configuration from app settings alone: OKTA_DOMAIN and
// OKTA_API_TOKEN make a connection okta. Where rows go and what is kept where
// stands in SLUICE_ENDPOINT, SLUICE_RULES (or OKTA_RULES for one connector) and
// SLUICE_STORE. all are the connectors, of which the names and settings are enough; find
// has the rest of those that are configured. environ lists NAME=value, as os.Environ does.
func FromEnv(all []*spec.Connector, find func(name string) (*spec.Connector, error), environ []string, now time.Time, local *Workspace) (*Config, error) {
	s := &settings{all: all, values: map[string]string{}, f: &File{}}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			s.values[name] = value
		}
	}
	s.r = &resolver{find: find, env: s.lookup, now: now, problem: s.problem, local: local, owner: shared}
	s.workspace()
	s.store()
	s.connections()
	if local == nil && len(s.f.Workspace.Endpoints()) == 0 {
		if len(s.f.Connections) == 0 {
			return nil, errors.New("nothing is configured: there is no sluice.yaml here (--config names another), and no app settings such as SLUICE_ENDPOINT, OKTA_DOMAIN and OKTA_API_TOKEN; sluice up needs none of it")
		}
		s.r.errorf("workspace.endpoint", "it is missing: the logs ingestion endpoint that rows are sent to, unless each rule has one")
	}
	s.unknown()
	c, err := s.r.file(s.f)
	if err == nil && len(s.f.Connections) == 0 {
		err = ErrNoConnection
	}
	if c != nil {
		c.Warnings = s.warnings
	}
	return c, err
}

// settings are the app settings, on their way to become a File.
type settings struct {
	all      []*spec.Connector
	values   map[string]string
	f        *File
	r        *resolver
	storeIn  string // the setting that says where the store is
	warnings []string
}

func (s *settings) get(name string) string { return trim(s.values[name]) }

func (s *settings) lookup(name string) (string, bool) {
	v, ok := s.values[name]
	return v, ok
}

func (s *settings) workspace() {
	s.f.Workspace = Workspace{Endpoint: s.get("SLUICE_ENDPOINT"), Credential: s.get("SLUICE_CREDENTIAL"), Cloud: s.get("SLUICE_CLOUD"), Time: s.get("SLUICE_TIME"),
		ID: s.get("SLUICE_WORKSPACE_ID"), Query: s.get("SLUICE_QUERY_ENDPOINT"), Rules: map[string]CollectionRule{}}
	if !oneOf(s.f.Workspace.Credential, credentials) {
		s.r.errorf("workspace.credential", "%q is none of %s%s", s.f.Workspace.Credential, list(credentials), nearest.Hint(s.f.Workspace.Credential, credentials))
	}
	if !oneOf(s.f.Workspace.Time, times) {
		s.r.errorf("workspace.time", "%q is none of %s%s", s.f.Workspace.Time, list(times), nearest.Hint(s.f.Workspace.Time, times))
	}
	if !oneOf(s.f.Workspace.Cloud, clouds) {
		s.r.errorf("workspace.cloud", "%q is none of %s%s", s.f.Workspace.Cloud, list(clouds), nearest.Hint(s.f.Workspace.Cloud, clouds))
	}
	maps.Copy(s.f.Workspace.Rules, s.rules("workspace.rules", "SLUICE_RULES"))
}

// rules reads the rules that an app setting has: those of all tables, or of one
// connector's.
func (s *settings) rules(path, name string) map[string]CollectionRule {
	text := s.get(name)
	if text == "" {
		return nil
	}
	var tables map[string]json.RawMessage
	err := json.Unmarshal([]byte(text), &tables)
	rules := map[string]CollectionRule{}
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		if err == nil {
			rules[table], err = readRule(table, tables[table])
		}
	}
	if err != nil {
		s.r.errorf(path, `want {"OktaV2_CL": {"id": "dcr-…", "stream": "Custom-OktaV2_CL", "endpoint": "https://…"}}: %v`, inWords(err))
		return nil
	}
	return rules
}

func readRule(table string, data []byte) (CollectionRule, error) {
	var keys map[string]string
	if err := json.Unmarshal(data, &keys); err != nil {
		return CollectionRule{}, fmt.Errorf("%s: %w", table, inWords(err))
	}
	known := []string{"id", "stream", "endpoint", "plan"}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(known, key) {
			return CollectionRule{}, fmt.Errorf("%s: unknown key %q%s; there are %s", table, key, nearest.Hint(key, known), list(known))
		}
	}
	return CollectionRule{ID: trim(keys["id"]), Stream: trim(keys["stream"]), Endpoint: trim(keys["endpoint"]), Plan: trim(keys["plan"])}, nil
}

// inWords says what is wrong with JSON without the words of a program.
func inWords(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind) && kind.Type.Kind() == reflect.String:
		return fmt.Errorf("a value is of the type %s, and no text in quotes", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("it is of the type %s, and no object {…}", kind.Value)
	}
	return err
}

// store finds the store: one of its own, or the storage of the function app.
func (s *settings) store() {
	to := &s.f.Store
	to.Quarantine = s.get("SLUICE_QUARANTINE")
	for _, name := range []string{"SLUICE_STORE", "AzureWebJobsStorage", "AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__accountName"} {
		at := s.get(name)
		if at == "" {
			continue
		}
		s.storeIn = name
		switch {
		case name == "AzureWebJobsStorage":
			to.Container, to.ConnectionString = "sluice", "${env:AzureWebJobsStorage}"
		case name == "AzureWebJobsStorage__blobServiceUri":
			to.Container = strings.TrimSuffix(at, "/") + "/sluice"
		case name == "AzureWebJobsStorage__accountName":
			to.Container = "https://" + at + ".blob.core.windows.net/sluice"
		case strings.HasPrefix(at, "https://") || strings.HasPrefix(at, "http://"):
			to.Container = at
		default:
			to.Dir = at
		}
		return
	}
}

// connections makes the connections of those connectors that have app settings, be it
// some of those they need: what is missing is an error of that connection.
func (s *settings) connections() {
	for _, c := range s.all {
		if !given(c, s.get) {
			continue
		}
		conn := Connection{Connector: c.Name, BaseURL: s.get(c.EnvName("base_url")), Schedule: s.get(c.EnvName("schedule")), Start: s.get(c.EnvName("start")), Starts: map[string]string{}, Settings: map[string]string{}}
		if conn.Start == "" {
			conn.Start = s.get("SLUICE_START")
		}
		for _, stream := range c.Streams {
			if start := s.get(c.EnvName(stream.Name + "_start")); start != "" {
				conn.Starts[stream.Name] = start
			}
		}
		for _, set := range c.Settings {
			if name := c.EnvName(set.Name); s.get(name) != "" {
				conn.Settings[set.Name] = "${env:" + name + "}"
			}
		}
		s.f.Connections = append(s.f.Connections, conn)
		s.own(c, &s.f.Connections[len(s.f.Connections)-1])
		s.r.owner = shared
	}
}

// own reads those app settings of a connector that can be wrong by themselves.
func (s *settings) own(c *spec.Connector, conn *Connection) {
	s.r.owner = len(s.f.Connections) - 1
	at := place(s.r.owner)
	rules := s.rules(at+".rules", c.EnvName("rules"))
	s.r.rules(at+".rules.", rules, s.f.Workspace.Endpoint)
	if len(s.r.errs[s.r.owner]) == 0 {
		maps.Copy(s.f.Workspace.Rules, rules)
	}
	switch text := s.get(c.EnvName("private_network")); text {
	case "", "true", "false":
		conn.Private = text == "true"
	default:
		s.r.errorf(at+".private_network", "%q is neither true nor false", text)
	}
}

// given reports whether the app settings make a connection of a connector.
// When to run, and from when on, says nothing: functions that are not used have that too.
// GitHub's runners have variables that begin as ours do.
func given(c *spec.Connector, get func(string) string) bool {
	runner := c.EnvName("") == "GITHUB_" && get("GITHUB_ACTIONS") != ""
	return get(c.EnvName("rules")) != "" || slices.ContainsFunc(c.Settings, func(s spec.Setting) bool { return (s.Required || !runner) && get(c.EnvName(s.Name)) != "" })
}

// HasEnv reports whether the environment configures any connection.
func HasEnv(all []*spec.Connector, env Env) bool {
	get := func(name string) string { v, _ := env(name); return trim(v) }
	return slices.ContainsFunc(all, func(c *spec.Connector) bool { return given(c, get) })
}

// ownSettings are those of no connector.
var ownSettings = []string{"SLUICE_ENDPOINT", "SLUICE_CREDENTIAL", "SLUICE_CLOUD", "SLUICE_TIME", "SLUICE_WORKSPACE_ID", "SLUICE_QUERY_ENDPOINT", "SLUICE_RULES", "SLUICE_STORE", "SLUICE_QUARANTINE", "SLUICE_CONNECTORS",
	"SLUICE_START", "SLUICE_DOCTOR_SCHEDULE", "SLUICE_LOG_LEVEL", "SLUICE_PACKAGE_SHA256"}

// unknown finds app settings that are none, though their names begin as if they
// were. One that is close to a setting which lacks is a mistake. Of others there is
// a word: a newer release may have known them, or a program beside us sets them.
func (s *settings) unknown() {
	var odd []string
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		prefix, of, known := "SLUICE_", "Sluice", ownSettings
		s.r.owner = shared
		if c := s.whose(name); c != nil {
			prefix, of, known = c.EnvName(""), c.Name, envNames(c)
			s.r.owner = slices.IndexFunc(s.f.Connections, func(conn Connection) bool { return conn.Connector == c.Name })
			if s.r.owner < 0 {
				continue // a connector that is not used
			}
		}
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || s.get(name) == "" {
			continue
		}
		if meant := prefix + nearest.Name(name[len(prefix):], trimAll(known, prefix)); meant != prefix && s.get(meant) == "" {
			s.r.errorf(name, "%s has no such setting (did you mean %s?)", of, meant)
			continue
		}
		odd = append(odd, name)
	}
	s.r.owner = shared
	if len(odd) > 0 {
		s.warnings = append(s.warnings, "not known as app settings, and passed over: "+list(odd))
	}
}

// envNames are the app settings of a connector.
func envNames(c *spec.Connector) []string {
	names := []string{c.EnvName("base_url"), c.EnvName("private_network"), c.EnvName("schedule"), c.EnvName("start"), c.EnvName("rules")}
	for _, set := range c.Settings {
		names = append(names, c.EnvName(set.Name))
	}
	for _, stream := range c.Streams {
		names = append(names, c.EnvName(stream.Name+"_start"))
	}
	return names
}

func trimAll(names []string, prefix string) (rest []string) {
	for _, name := range names {
		rest = append(rest, strings.TrimPrefix(name, prefix))
	}
	return rest
}

// whose is the connector that an app setting's name begins with. GitHub's runners
// have variables that begin as ours do.
func (s *settings) whose(name string) (found *spec.Connector) {
	if s.get("GITHUB_ACTIONS") != "" && strings.HasPrefix(name, "GITHUB_") {
		return nil
	}
	for _, c := range s.all {
		if p := c.EnvName(""); strings.HasPrefix(name, p) && (found == nil || len(p) > len(found.EnvName(""))) {
			found = c
		}
	}
	return found
}

// problem names the app setting that stands for a place in sluice.yaml.
func (s *settings) problem(path, format string, args ...any) error {
	return fmt.Errorf("app setting %s: %s", s.at(path), fmt.Sprintf(format, args...))
}

// inConnection is a place in a connection: connections[0].settings.domain.
var inConnection = regexp.MustCompile(`^connections\[(\d+)\](?:\.(?:settings\.)?(\w+))?(?:\.(\w+))?`)

// settingOf are the app settings for places in a file.
var settingOf = map[string]string{"workspace.endpoint": "SLUICE_ENDPOINT", "workspace.credential": "SLUICE_CREDENTIAL", "workspace.cloud": "SLUICE_CLOUD", "workspace.time": "SLUICE_TIME",
	"workspace.id": "SLUICE_WORKSPACE_ID", "workspace.query": "SLUICE_QUERY_ENDPOINT", "store.quarantine": "SLUICE_QUARANTINE"}

func (s *settings) at(path string) string {
	m := inConnection.FindStringSubmatch(path)
	switch {
	case settingOf[path] != "":
		return settingOf[path]
	case strings.HasPrefix(path, "workspace.rules"):
		return "SLUICE_RULES"
	case strings.HasPrefix(path, "store"):
		return s.storeIn
	case m == nil:
		return path
	}
	i, _ := strconv.Atoi(m[1])
	c := s.all[slices.IndexFunc(s.all, func(c *spec.Connector) bool { return c.Name == s.f.Connections[i].Connector })]
	if m[2] == "" {
		return strings.TrimSuffix(c.EnvName(""), "_") + "_…"
	}
	if m[2] == "starts" {
		return c.EnvName(m[3] + "_start")
	}
	name := c.EnvName(m[2])
	if m[2] == "start" && s.get(name) == "" {
		return "SLUICE_START"
	}
	return name
}
