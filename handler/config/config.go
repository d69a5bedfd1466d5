// Package config turns sluice.yaml, or app settings alone, into connections
// that can run. Secrets come by reference only: from the environment, from a
// file, or from a Key Vault reference that the platform has resolved.
package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// File is sluice.yaml.
type File struct {
	Workspace   Workspace    `yaml:"workspace" doc:"Where rows go."`
	Store       Store        `yaml:"store" doc:"Where checkpoints are kept. Default: the folder .sluice."`
	Connections []Connection `yaml:"connections" required:"true" doc:"What to collect."`
}

// Workspace says where rows go.
type Workspace struct {
	Endpoint   string          `yaml:"endpoint" doc:"Logs ingestion endpoint of the rule or of a data collection endpoint."`
	Credential string          `yaml:"credential" enum:"default|managed_identity|client_secret|none" doc:"Identity for Azure. Default: default."`
	Rules      map[string]Rule `yaml:"rules" doc:"The data collection rule of each table."`
	ID         string          `yaml:"id" doc:"The workspace's GUID. Only sluice reconcile needs it, which reads back what arrived."`
	Query      string          `yaml:"query" doc:"Query endpoint. Default: the cloud's, and for a workspace on this machine its endpoint."`
	Cloud      string          `yaml:"cloud" enum:"AzureCloud|AzureUSGovernment|AzureChinaCloud" doc:"Which Azure. Default: the one that the endpoint is in."`
}

// Endpoints are where rows are sent: that of the workspace, and those of rules
// that have one of their own.
func (w *Workspace) Endpoints() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(w.Rules)) {
		if at := cmp.Or(w.Rules[name].Endpoint, w.Endpoint); at != "" && !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	if len(list) == 0 && w.Endpoint != "" {
		list = append(list, w.Endpoint)
	}
	return list
}

// Rule is where the rows of a table go.
type Rule struct {
	ID     string `yaml:"id" json:"id" required:"true" doc:"Immutable id of the data collection rule: dcr-…"`
	Stream string `yaml:"stream" json:"stream" required:"true" doc:"DCR stream, such as Custom-OktaV2_CL."`

	Endpoint string `yaml:"endpoint" json:"endpoint" doc:"Logs ingestion endpoint of the rule, where it is not the workspace's."`
}

// Store says where checkpoints are kept: in a folder, or in a blob container.
type Store struct {
	Dir              string `yaml:"dir" doc:"A folder."`
	Container        string `yaml:"container" doc:"URL of a blob container; with connection_string, its name."`
	ConnectionString string `yaml:"connection_string" doc:"Of a storage account, by reference: ${env:NAME}."`
	Quarantine       string `yaml:"quarantine" doc:"URL of a container of its own for records that could not be delivered, so that who may read them is decided apart. Default: with the checkpoints."`
}

// Connection is a connector with its settings.
type Connection struct {
	Connector string            `yaml:"connector" required:"true" doc:"Name of a connector, or path of a connector.yaml."`
	Name      string            `yaml:"name" doc:"Name of the connection. Default: the connector's."`
	BaseURL   string            `yaml:"base_url" doc:"Overrides the connector's address; http:// for this machine only."`
	Private   bool              `yaml:"private_network" doc:"The provider is in a private network: its name may lead to a private address."`
	Settings  map[string]string `yaml:"settings" doc:"What the connector has to be told."`
	Schedule  string            `yaml:"schedule" doc:"NCRONTAB with six fields, in UTC. Default: the connector's."`
	Start     string            `yaml:"start" doc:"Where the first run begins: -24h, or a date. Default: -24h."`
}

// Config is what a file or the environment says, resolved.
type Config struct {
	Workspace   Workspace
	Store       Store
	Connections []Resolved
	Broken      map[string]error // what is wrong with single connections, by connector; from Served only
}

// Resolved is a connection whose settings are complete.
type Resolved struct {
	Name      string
	Connector *spec.Connector
	BaseURL   string
	Private   bool
	Settings  map[string]string // secrets are in here: never print it
	Schedule  string
	Start     time.Time
}

// Env looks up environment variables; os.LookupEnv is one.
type Env func(name string) (string, bool)

// Find looks up connectors by name.
type Find func(name string) (*spec.Connector, error)

// Load reads sluice.yaml. With local, rows go there whatever the file says, and
// the caller sees to the rules.
func Load(path string, find Find, env Env, now time.Time, local *Workspace) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, find, env, now, local)
}

// Parse reads the text of a sluice.yaml; path names it in errors.
func Parse(path string, data []byte, find Find, env Env, now time.Time, local *Workspace) (*Config, error) {
	f := new(File)
	places, err := spec.Decode(path, data, f)
	if err != nil {
		return nil, err
	}
	r := &resolver{find: find, env: env, now: now, problem: places.Problem, rules: local == nil}
	if local != nil {
		f.Workspace = *local
	} else if len(f.Workspace.Endpoints()) == 0 {
		r.errorf("workspace", "the endpoint that rows are sent to is missing: workspace: {endpoint: https://…, rules: …}")
	}
	return r.file(f)
}

// resolver completes connections and collects what is wrong with them.
type resolver struct {
	find    Find
	env     Env
	now     time.Time
	problem func(path, format string, args ...any) error
	errs    []error
	rules   bool // every table has to have one
	apart   bool // a mistake in a connection stops no other
}

func (r *resolver) errorf(path, format string, args ...any) {
	r.errs = append(r.errs, r.problem(path, format, args...))
}

func (r *resolver) file(f *File) (*Config, error) {
	c := &Config{Workspace: f.Workspace, Store: f.Store, Broken: map[string]error{}}
	c.Workspace.Credential = cmp.Or(f.Workspace.Credential, "default")
	c.Workspace.Endpoint = r.resolve("workspace.endpoint", f.Workspace.Endpoint, false)
	c.Workspace.Cloud = cmp.Or(f.Workspace.Cloud, cloudOf(c.Workspace.Endpoints()))
	r.store(&c.Store)
	for i := range f.Connections {
		before := len(r.errs)
		res := r.named(fmt.Sprintf("connections[%d]", i), &f.Connections[i], c)
		if wrong := r.errs[before:]; len(wrong) > 0 && r.apart {
			c.Broken[f.Connections[i].Connector] = errors.Join(wrong...)
			r.errs = r.errs[:before]
		} else if res != nil {
			c.Connections = append(c.Connections, *res)
		}
	}
	return c, errors.Join(r.errs...)
}

// named resolves a connection whose name is not taken, and whose tables have rules.
func (r *resolver) named(path string, in *Connection, c *Config) *Resolved {
	res := r.connection(path, in)
	if res == nil {
		return nil
	}
	if slices.ContainsFunc(c.Connections, func(other Resolved) bool { return other.Name == res.Name }) {
		r.errorf(path, "the connection %q is there twice: give each a name", res.Name)
	}
	for _, s := range res.Streams() {
		switch rule, ok := c.Workspace.Rules[s.Table]; {
		case !r.rules:
		case !ok:
			r.errorf("workspace.rules", "the table %s of %s has no rule: add %s: {id: dcr-…, stream: Custom-%s}", s.Table, res.Name, s.Table, s.Table)
		case rule.Endpoint == "" && c.Workspace.Endpoint == "":
			r.errorf("workspace.rules", "the rule of the table %s has no endpoint, and the workspace has none for all", s.Table)
		}
	}
	return res
}

func (r *resolver) store(s *Store) {
	switch {
	case s.Dir == "" && s.Container == "":
		s.Dir = ".sluice"
	case s.Dir != "" && s.Container != "":
		r.errorf("store", "give a dir or a container, not both")
	case s.ConnectionString != "" && s.Container == "":
		r.errorf("store", "connection_string needs container: the container's name")
	case s.Quarantine != "" && (s.Container == "" || s.ConnectionString != ""):
		r.errorf("store.quarantine", "a container for quarantine goes with a container for checkpoints that is given by its URL")
	}
	s.ConnectionString = r.resolve("store.connection_string", s.ConnectionString, true)
}

// cloudOf is the cloud that endpoints are in.
func cloudOf(endpoints []string) string {
	for _, at := range endpoints {
		u, err := url.Parse(at)
		switch {
		case err != nil:
		case strings.HasSuffix(u.Hostname(), ".azure.us"):
			return "AzureUSGovernment"
		case strings.HasSuffix(u.Hostname(), ".azure.cn"):
			return "AzureChinaCloud"
		}
	}
	return "AzureCloud"
}

var connectionName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (r *resolver) connection(path string, in *Connection) *Resolved {
	c, err := r.find(in.Connector)
	if err != nil {
		r.errorf(path+".connector", "%v", err)
		return nil
	}
	out := &Resolved{Name: cmp.Or(in.Name, c.Name), Connector: c, BaseURL: in.BaseURL, Private: in.Private, Settings: map[string]string{}, Schedule: cmp.Or(in.Schedule, c.Schedule)}
	if !connectionName.MatchString(out.Name) {
		r.errorf(path+".name", "name %q has to be lower-case letters, digits, hyphens, dots and underscores", out.Name)
	}
	var known []string
	for _, s := range c.Settings {
		known = append(known, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(in.Settings)) {
		if c.Setting(name) == nil {
			r.errorf(path+".settings."+name, "%s has no setting %q%s", c.Name, name, nearest.Hint(name, known))
		}
	}
	for i := range c.Settings {
		r.setting(path+".settings", c, &c.Settings[i], in.Settings, out.Settings)
	}
	if out.Start, err = ParseStart(in.Start, r.now); err != nil {
		r.errorf(path+".start", "%v", err)
	}
	if len(out.Streams()) == 0 {
		r.errorf(path, "no stream of %s can run: give one of the settings %s", c.Name, strings.Join(needs(c), ", "))
	}
	return out
}

func needs(c *spec.Connector) []string {
	var names []string
	for _, s := range c.Streams {
		names = append(names, s.Needs)
	}
	return names
}

// setting resolves one setting of a connection into out.
func (r *resolver) setting(path string, c *spec.Connector, s *spec.Setting, in, out map[string]string) {
	path += "." + s.Name
	text := in[s.Name]
	if text == "" {
		text = s.Default
	}
	if text == "" {
		if s.Required {
			r.errorf(path, "the setting %q of %s is missing: %s", s.Name, c.Name, cmp.Or(s.Help, s.Label))
		}
		return
	}
	value := r.resolve(path, text, s.Secret)
	if value == "" {
		return
	}
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(value) {
		if s.Secret {
			value = "(hidden)"
		}
		r.errorf(path, "the setting %s is %q and has to match %s: %s", s.Name, value, s.Pattern, s.Help)
	}
	out[s.Name] = value
}

var reference = regexp.MustCompile(`^\$\{(env|file):([^}]+)\}$`)

// resolve follows ${env:NAME} and ${file:PATH}. A secret has to be one of them.
func (r *resolver) resolve(path, text string, secret bool) string {
	m := reference.FindStringSubmatch(text)
	switch {
	case m == nil && secret && text != "":
		r.errorf(path, "this is a secret: do not write it here, refer to it with ${env:NAME} or ${file:PATH}")
		return ""
	case m == nil:
		return text
	}
	var value string
	if m[1] == "env" {
		v, ok := r.env(m[2])
		if !ok || v == "" {
			r.errorf(path, "the environment variable %s is not set", m[2])
			return ""
		}
		value = v
	} else {
		b, err := os.ReadFile(m[2])
		if err != nil {
			r.errorf(path, "%v", err)
			return ""
		}
		value = strings.TrimSpace(string(b))
	}
	if err := CheckKeyVault(m[2], value); err != nil {
		r.errorf(path, "%v", err)
		return ""
	}
	return value
}

// CheckKeyVault detects a reference that App Service could not resolve: it
// leaves the text of the reference in the variable.
func CheckKeyVault(name, value string) error {
	if strings.HasPrefix(value, "@Microsoft.KeyVault(") {
		return fmt.Errorf("%s holds an unresolved Key Vault reference: check that the secret exists, that the app's identity has the role Key Vault Secrets User, that the vault can be reached, and, for a user-assigned identity, the site's keyVaultReferenceIdentity", name)
	}
	return nil
}

// ParseStart reads -24h, -7d, 2026-03-01 or an RFC 3339 time. Default: -24h.
func ParseStart(s string, now time.Time) (time.Time, error) {
	s = cmp.Or(s, "-24h")
	if back, ok := strings.CutPrefix(s, "-"); ok {
		d, err := spec.ParseDuration(back)
		if err == nil {
			return now.Add(-time.Duration(d)).UTC(), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write -24h, -7d, 2026-03-01 or 2026-03-01T12:00:00Z", s)
}

// Streams returns the connector's streams that run in this connection.
func (r *Resolved) Streams() []*spec.Stream {
	var list []*spec.Stream
	for i := range r.Connector.Streams {
		if s := &r.Connector.Streams[i]; s.Needs == "" || r.Settings[s.Needs] != "" {
			list = append(list, s)
		}
	}
	return list
}

// FromEnv makes a configuration from app settings alone: OKTA_DOMAIN and
// OKTA_API_TOKEN make a connection okta. Where rows go and what is kept where
// stands in SLUICE_ENDPOINT, SLUICE_RULES (or OKTA_RULES for one connector) and
// SLUICE_STORE.
func FromEnv(all []*spec.Connector, env Env, now time.Time, local *Workspace) (*Config, error) {
	return fromEnv(all, env, now, local, false)
}

// Served is FromEnv for an app that serves many connectors: what is wrong with one
// is in Broken, and stops no other.
func Served(all []*spec.Connector, env Env, now time.Time) (*Config, error) {
	return fromEnv(all, env, now, nil, true)
}

func fromEnv(all []*spec.Connector, env Env, now time.Time, local *Workspace, apart bool) (*Config, error) {
	get := func(name string) string { v, _ := env(name); return v }
	f := &File{}
	r := &resolver{env: env, now: now, rules: local == nil, apart: apart}
	r.problem = func(path, format string, args ...any) error {
		return fmt.Errorf("app setting %s: %s", r.settingAt(path, f), fmt.Sprintf(format, args...))
	}
	f.Workspace.Endpoint, f.Workspace.Credential = get("SLUICE_ENDPOINT"), get("SLUICE_CREDENTIAL")
	f.Workspace.ID, f.Workspace.Query, f.Workspace.Cloud = get("SLUICE_WORKSPACE_ID"), get("SLUICE_QUERY_ENDPOINT"), get("SLUICE_CLOUD")
	f.Workspace.Rules = map[string]Rule{}
	r.envRules("SLUICE_RULES", get("SLUICE_RULES"), f.Workspace.Rules)
	for _, c := range all {
		r.envRules(c.EnvName("rules"), get(c.EnvName("rules")), f.Workspace.Rules)
	}
	f.Store = envStore(get)
	f.Store.Quarantine = get("SLUICE_QUARANTINE")
	if local != nil {
		f.Workspace = *local
	}
	byName := map[string]*spec.Connector{}
	for _, c := range all {
		if conn, ok := envConnection(c, get); ok {
			byName[c.Name] = c
			f.Connections = append(f.Connections, conn)
		}
	}
	r.find = func(name string) (*spec.Connector, error) { return byName[name], nil }
	if len(f.Workspace.Endpoints()) == 0 {
		r.errorf("SLUICE_ENDPOINT", "is missing: the logs ingestion endpoint that rows are sent to, unless each rule has one")
	}
	if len(f.Connections) == 0 {
		r.errs = append(r.errs, errors.New("no connector has its app settings: give for example OKTA_DOMAIN and OKTA_API_TOKEN; sluice connectors lists all"))
	}
	return r.file(f)
}

// inConnection is a place in a connection: connections[0].settings.domain.
var inConnection = regexp.MustCompile(`^connections\[(\d+)\]\.(?:settings\.)?(\w+)$`)

// settingAt is the app setting that stands for a place in sluice.yaml.
func (r *resolver) settingAt(path string, f *File) string {
	if m := inConnection.FindStringSubmatch(path); m != nil {
		i, _ := strconv.Atoi(m[1])
		if c, err := r.find(f.Connections[i].Connector); err == nil && c != nil {
			return c.EnvName(m[2])
		}
	}
	switch path {
	case "workspace.rules":
		return "SLUICE_RULES"
	case "store.quarantine":
		return "SLUICE_QUARANTINE"
	}
	return path
}

// envRules adds the rules that an app setting has: those of all tables, or of one
// connector's.
func (r *resolver) envRules(name, text string, rules map[string]Rule) {
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), &rules); err != nil {
		r.errorf(name, `want {"OktaV2_CL": {"id": "dcr-…", "stream": "Custom-OktaV2_CL", "endpoint": "https://…"}}: %v`, err)
	}
}

// envStore finds the store: one of its own, or the storage of the function app.
func envStore(get func(string) string) Store {
	switch at := get("SLUICE_STORE"); {
	case strings.HasPrefix(at, "https://") || strings.HasPrefix(at, "http://"):
		return Store{Container: at}
	case at != "":
		return Store{Dir: at}
	case get("AzureWebJobsStorage") != "":
		return Store{Container: "sluice", ConnectionString: "${env:AzureWebJobsStorage}"}
	case get("AzureWebJobsStorage__blobServiceUri") != "":
		return Store{Container: strings.TrimSuffix(get("AzureWebJobsStorage__blobServiceUri"), "/") + "/sluice"}
	case get("AzureWebJobsStorage__accountName") != "":
		return Store{Container: "https://" + get("AzureWebJobsStorage__accountName") + ".blob.core.windows.net/sluice"}
	}
	return Store{}
}

// envConnection makes a connection of the app settings of a connector. There is
// none when neither a required setting is given nor rules of the connector's own:
// some need no setting at all where a managed identity speaks for them.
func envConnection(c *spec.Connector, get func(string) string) (Connection, bool) {
	conn := Connection{Connector: c.Name, BaseURL: get(c.EnvName("base_url")), Private: get(c.EnvName("private_network")) == "true", Schedule: get(c.EnvName("schedule")),
		Start: cmp.Or(get(c.EnvName("start")), get("SLUICE_START")), Settings: map[string]string{}}
	given := get(c.EnvName("rules")) != ""
	for _, s := range c.Settings {
		if name := c.EnvName(s.Name); get(name) != "" {
			conn.Settings[s.Name] = "${env:" + name + "}"
			given = given || s.Required
		}
	}
	return conn, given
}

// HasEnv reports whether the environment configures any connection.
func HasEnv(all []*spec.Connector, env Env) bool {
	get := func(name string) string { v, _ := env(name); return v }
	return slices.ContainsFunc(all, func(c *spec.Connector) bool { _, ok := envConnection(c, get); return ok })
}

// One resolves a single connection; settings that it lacks are taken from the
// environment.
func One(conn Connection, find Find, env Env, now time.Time) (*Resolved, error) {
	r := &resolver{find: find, env: env, now: now, problem: func(path, format string, args ...any) error {
		return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}}
	c, err := find(conn.Connector)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(conn.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	for _, s := range c.Settings {
		if v, ok := env(c.EnvName(s.Name)); ok && v != "" && settings[s.Name] == "" {
			settings[s.Name] = "${env:" + c.EnvName(s.Name) + "}"
		}
	}
	conn.Settings = settings
	res := r.connection(conn.Connector, &conn)
	return res, errors.Join(r.errs...)
}
