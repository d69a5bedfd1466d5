// Package config turns sluice.yaml, or app settings alone, into connections
// that can run. Secrets come by reference only: from the environment, from a
// file, or from a Key Vault reference that the platform has resolved.
//
// What is wrong with a connection breaks that one, and no other of the same
// connector; what all share, such as the workspace and the store, has to be right.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// File is sluice.yaml.
type File struct {
	Connectors  []string     `yaml:"connectors" doc:"Folders with connectors of one's own, from the file's folder, beside those of SLUICE_CONNECTORS. Each is a connector, or holds folders that are; its name takes the place of a built-in one's."`
	Workspace   Workspace    `yaml:"workspace" doc:"Where rows go."`
	Store       Store        `yaml:"store" doc:"Where checkpoints are kept. Default: the folder .sluice."`
	Connections []Connection `yaml:"connections" required:"true" doc:"What to collect."`
}

// Connection is a connector with its settings.
type Connection struct {
	Connector string            `yaml:"connector" required:"true" doc:"Name of a connector, or path of a connector.yaml. connectors: has the names of one's own."`
	Name      string            `yaml:"name" doc:"Name of the connection. Default: the connector's."`
	BaseURL   string            `yaml:"base_url" doc:"Overrides the connector's address; http:// for this machine only."`
	Private   bool              `yaml:"private_network" doc:"The provider is in a private network: its name may lead to a private address."`
	Settings  map[string]string `yaml:"settings" doc:"What the connector has to be told."`
	Schedule  string            `yaml:"schedule" doc:"NCRONTAB with six fields, in UTC. Default: the connector's."`
	Start     string            `yaml:"start" doc:"Where the first run begins: -24h, or a date. Default: -24h."`
	Starts    map[string]string `yaml:"starts" doc:"The same for single streams, by name."`
}

// Config is what a file or the environment says, resolved.
type Config struct {
	Workspace   Workspace
	Store       Store
	Connections []Resolved // those that can run, in the order of the file
	Broken      []Broken   // those that cannot, likewise
	Warnings    []string   // what is odd, but stops nothing
}

// Broken is a connection that cannot run as it is configured, or a folder of connectors
// in which there is none.
type Broken struct {
	At        int    // its place among all connections
	Name      string // as far as it is known; of a folder, its path
	Connector string // name of the connector; where that cannot be read, what stands in its place; "" of a folder
	Schedule  string // "" when it is not known, or wrong
	Err       error
}

// Err names all connections that cannot run; nil when there is none.
func (c *Config) Err() error {
	var errs []error
	for _, b := range c.Broken {
		errs = append(errs, b.Err)
	}
	return errors.Join(errs...)
}

// Resolved is a connection whose settings are complete.
type Resolved struct {
	At        int // its place among all connections
	Name      string
	Connector *spec.Connector
	BaseURL   string
	Private   bool
	Settings  map[string]string // secrets are in here: never print it
	Schedule  string
	Start     time.Time
	Starts    map[string]time.Time // of single streams
	ByArrival bool                 // TimeGenerated is when a row is sent
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

// Env looks up environment variables; os.LookupEnv is one.
type Env func(name string) (string, bool)

// Find looks up connectors by name.
type Find func(name string) (*spec.Connector, error)

// Folder is a folder with connectors of one's own that a file names.
type Folder struct {
	Path string // from the present folder
	By   string // where it is named: sluice.yaml:1:14
}

// In returns what looks up connectors, some of which are in folders, and those folders
// in which there are none.
type In func(folders []Folder) (Find, []Broken)

// Load reads sluice.yaml. With local, rows go there whatever the file says, and
// the caller sees to the rules.
func Load(path string, in In, env Env, now time.Time, local *Workspace) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, in, env, now, local)
}

// Parse reads the text of a sluice.yaml; path names it in errors.
func Parse(path string, data []byte, in In, env Env, now time.Time, local *Workspace) (*Config, error) {
	f := new(File)
	places, err := spec.Decode(path, data, f)
	if places == nil {
		return nil, err
	}
	r := &resolver{env: env, now: now, problem: named(places.Problem), local: local, owner: shared}
	r.decoded(f, err)
	var wrong []Broken
	r.find, wrong = in(folders(path, f, places))
	if local == nil && len(f.Workspace.Endpoints()) == 0 {
		r.errorf("workspace", "the endpoint that rows are sent to is missing: workspace: {endpoint: https://…, rules: …}")
	}
	if len(f.Connections) == 0 && err == nil {
		r.errorf("connections", "there is no connection: each names a connector and its settings")
	}
	c, err := r.file(f)
	if err == nil {
		c.Breaks(wrong)
	}
	return c, err
}

// Breaks adds what cannot run, behind all connections that there are.
func (c *Config) Breaks(list []Broken) {
	for _, b := range list {
		b.At = len(c.Connections) + len(c.Broken)
		c.Broken = append(c.Broken, b)
	}
}

// folders are those that a file names, which it does from its own.
func folders(path string, f *File, places *spec.Places) (list []Folder) {
	for i, folder := range f.Connectors {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(filepath.Dir(path), folder)
		}
		list = append(list, Folder{folder, places.Place(fmt.Sprintf("connectors[%d]", i))})
	}
	return list
}

// FoldersIn are the folders with connectors that a sluice.yaml names, whatever else is
// wrong with it.
func FoldersIn(path string) ([]Folder, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := new(File)
	places, err := spec.Decode(path, data, f)
	if places == nil {
		return nil, err
	}
	return folders(path, f, places), nil
}

// named has an error begin with the key that it is about, unless its text says it.
func named(problem func(path, format string, args ...any) error) func(path, format string, args ...any) error {
	return func(path, format string, args ...any) error {
		text, key := fmt.Sprintf(format, args...), path[strings.LastIndexByte(path, '.')+1:]
		if !strings.Contains(key, "[") && !strings.Contains(text, key) {
			text = key + ": " + text
		}
		return problem(path, "%s", text)
	}
}

// resolver completes a file and collects what is wrong with it.
type resolver struct {
	find    Find
	env     Env
	now     time.Time
	problem func(path, format string, args ...any) error
	local   *Workspace // where rows go, whatever the file says

	owner  int // the connection that is looked at, or shared
	errs   map[int][]error
	unread map[int]bool // connections of which the file says what none can have
}

// shared owns what is wrong with what all connections have in common.
const shared = -1

func (r *resolver) errorf(path, format string, args ...any) {
	r.note(r.owner, r.problem(path, format, args...))
}

// connectionAt is the place of something in a connection.
var connectionAt = regexp.MustCompile(`^connections\[(\d+)\]`)

// decoded takes over what the decoder found wrong, and whose it is.
func (r *resolver) decoded(f *File, err error) {
	r.unread = map[int]bool{}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		if err == nil {
			continue
		}
		owner := shared
		var p *spec.Problem
		if errors.As(err, &p) {
			if m := connectionAt.FindStringSubmatch(p.Path); m != nil {
				if i, _ := strconv.Atoi(m[1]); i < len(f.Connections) {
					owner, r.unread[i] = i, true
				}
			}
		}
		r.note(owner, err)
	}
}

func (r *resolver) note(owner int, err error) {
	if r.errs == nil {
		r.errs = map[int][]error{}
	}
	r.errs[owner] = append(r.errs[owner], err)
}

func (r *resolver) file(f *File) (*Config, error) {
	c := &Config{Workspace: f.Workspace, Store: f.Store}
	if r.local != nil {
		c.Workspace = *r.local
	}
	r.workspace(&c.Workspace)
	r.store(&c.Store)
	if err := errors.Join(r.errs[shared]...); err != nil {
		return nil, err
	}
	found := make([]*Resolved, len(f.Connections))
	for i := range f.Connections {
		if r.owner = i; !r.unread[i] {
			found[i] = r.connection(place(i), &f.Connections[i])
			r.rulesFor(found[i], &c.Workspace)
		}
	}
	r.twice(found, f.Connections)
	for i, res := range found {
		if errs := r.errs[i]; len(errs) > 0 {
			c.Broken = append(c.Broken, broken(i, res, &f.Connections[i], errors.Join(errs...)))
			continue
		}
		res.At, res.ByArrival = i, c.Workspace.Time == "ingestion"
		c.Connections = append(c.Connections, *res)
	}
	return c, nil
}

func place(i int) string { return fmt.Sprintf("connections[%d]", i) }

// broken tells what is known of a connection that cannot run.
func broken(at int, res *Resolved, in *Connection, err error) Broken {
	b := Broken{At: at, Name: cmp.Or(in.Name, in.Connector, place(at)), Connector: in.Connector, Err: err}
	if res != nil {
		b.Name, b.Connector, b.Schedule = res.Name, res.Connector.Name, res.Schedule
	}
	return b
}

// twice finds the names that several connections have. Which of them goes on with
// the name's checkpoints cannot be told: none runs.
func (r *resolver) twice(found []*Resolved, in []Connection) {
	owners := map[string][]int{}
	for i, res := range found {
		name := in[i].Name
		if res != nil {
			name = res.Name
		}
		if name != "" {
			owners[name] = append(owners[name], i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		if len(owners[name]) < 2 {
			continue
		}
		for _, i := range owners[name] {
			r.owner = i
			r.errorf(place(i), "the connection %q is there twice: give each a name", name)
		}
	}
}

// rulesFor finds the tables of a connection that have no rule.
func (r *resolver) rulesFor(res *Resolved, w *Workspace) {
	if res == nil || r.local != nil {
		return
	}
	var missing []string
	for _, s := range res.Streams() {
		if _, ok := w.Rules[s.Table]; !ok && !slices.Contains(missing, s.Table) {
			missing = append(missing, s.Table)
		}
	}
	for _, table := range missing {
		r.errorf("workspace.rules", "the table %s of %s has no rule: add %s: {id: dcr-…, stream: Custom-%s}", table, res.Name, table, table)
	}
}

// oneOf reports whether a value is among those that a setting can have, which an
// empty one stands for too.
func oneOf(value string, allowed []string) bool {
	return value == "" || slices.Contains(allowed, value)
}

func list(names []string) string { return strings.Join(names, ", ") }
