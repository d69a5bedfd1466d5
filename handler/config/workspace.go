package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/netguard"
)

// Workspace says where rows go.
type Workspace struct {
	Endpoint   string                    `yaml:"endpoint" doc:"Logs ingestion endpoint of the rule or of a data collection endpoint."`
	Credential string                    `yaml:"credential" enum:"default|managed_identity|client_secret|none" doc:"Identity for Azure. Default: default."`
	Rules      map[string]CollectionRule `yaml:"rules" doc:"The data collection rule of each table."`
	ID         string                    `yaml:"id" doc:"The workspace's GUID. Only sluice reconcile needs it, which reads back what arrived."`
	Query      string                    `yaml:"query" doc:"Query endpoint. Default: the cloud's, and for a workspace on this machine its endpoint."`
	Time       string                    `yaml:"time" enum:"event|ingestion" doc:"What TimeGenerated is: event, when it happened; ingestion, when the row is sent, and EventTime is when it happened. Default: event."`
	Cloud      string                    `yaml:"cloud" enum:"AzureCloud|AzureUSGovernment|AzureChinaCloud" doc:"Which Azure. Default: the one that the endpoint is in."`
}

// What the enums of Workspace list, for app settings.
var (
	credentials = []string{"default", "managed_identity", "client_secret", "none"}
	times       = []string{"event", "ingestion"}
	clouds      = []string{"AzureCloud", "AzureUSGovernment", "AzureChinaCloud"}
)

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

// CollectionRule is where the rows of a table go.
type CollectionRule struct {
	ID     string `yaml:"id" json:"id" required:"true" doc:"Immutable id of the data collection rule: dcr-…"`
	Stream string `yaml:"stream" json:"stream" required:"true" doc:"DCR stream, such as Custom-OktaV2_CL."`

	Endpoint string `yaml:"endpoint" json:"endpoint" doc:"Logs ingestion endpoint of the rule, where it is not the workspace's."`
	Plan     string `yaml:"plan" json:"plan" doc:"Plan of the table: Analytics, Basic or Auxiliary. Rows of the last two cannot be read back."`
}

// Readable says why the rows of a table cannot be read back by queries: the query API
// reads tables of the plan Analytics (learn.microsoft.com, "Query data in a Basic and
// Auxiliary table in Azure Monitor Logs").
func (w Workspace) Readable(table string) error {
	if plan := w.Rules[table].Plan; plan != "" && plan != "Analytics" {
		return fmt.Errorf("the table %s has the plan %s, which queries, functions and rules do not read: its rows cannot be read back", table, plan)
	}
	return nil
}

var (
	ruleID     = regexp.MustCompile(`^dcr-[0-9a-fA-F]{32}$`)
	ruleStream = regexp.MustCompile(`^(Custom|Microsoft)-[A-Za-z0-9_-]+$`)
	guid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// workspace checks where rows go, and completes it.
func (r *resolver) workspace(w *Workspace) {
	w.Endpoint = r.resolve("workspace.endpoint", w.Endpoint, false)
	r.endpoint("workspace.endpoint", w.Endpoint)
	if w.ID != "" && w.ID != "local" && !guid.MatchString(w.ID) { // local: the workspace on this machine
		r.errorf("workspace.id", "%q is no GUID: it is the workspace ID that the overview page of the workspace shows, such as 00000000-0000-0000-0000-000000000000", w.ID)
	}
	if w.Query != "" {
		if _, err := netguard.ParseBase(w.Query); err != nil {
			r.errorf("workspace.query", "%v", err)
		}
	}
	r.rules("workspace.rules.", w.Rules, w.Endpoint)
	if w.Credential == "none" {
		for _, at := range w.Endpoints() {
			if u, err := netguard.ParseBase(at); err == nil && !netguard.Loopback(u.Hostname()) {
				r.errorf("workspace.credential", "none is for a workspace on this machine only, and %s is elsewhere: write default, managed_identity or client_secret", at)
			}
		}
	}
	w.Credential = cmp.Or(w.Credential, "default")
	w.Cloud = cmp.Or(w.Cloud, cloudOf(w.Endpoints()))
}

// endpoint checks an address that rows are sent to.
func (r *resolver) endpoint(path, text string) {
	if text == "" {
		return
	}
	const want = "it is the logs ingestion endpoint of the rule, such as https://NAME.REGION.ingest.monitor.azure.com"
	u, err := netguard.ParseBase(text)
	switch {
	case err != nil:
		r.errorf(path, "%v; %s", err, want)
	case u.Path != "":
		r.errorf(path, "%q has a path behind its host; %s", text, want)
	}
}

// rules checks data collection rules by table; general is the endpoint of those
// without one of their own.
func (r *resolver) rules(path string, rules map[string]CollectionRule, general string) {
	for _, table := range slices.Sorted(maps.Keys(rules)) {
		rule, at := rules[table], path+table
		switch {
		case strings.Contains(rule.ID, "/"):
			r.errorf(at+".id", "%q is a resource ID: want the rule's immutableId, dcr- and 32 hexadecimal digits, as the JSON view of its overview page shows it", rule.ID)
		case !ruleID.MatchString(rule.ID):
			r.errorf(at+".id", "the id of the rule of the table %s is %q: want its immutableId, dcr- and 32 hexadecimal digits, as the JSON view of its overview page shows it", table, rule.ID)
		}
		if plan := rule.Plan; plan != "" && !slices.Contains([]string{"Analytics", "Basic", "Auxiliary"}, plan) {
			r.errorf(at+".plan", "the plan of the table %s is %q: want Analytics, Basic or Auxiliary", table, plan)
		}
		if !ruleStream.MatchString(rule.Stream) {
			r.errorf(at+".stream", "the stream of the table %s is %q: want the rule's name for what it takes, such as Custom-%s", table, rule.Stream, table)
		}
		r.endpoint(at+".endpoint", rule.Endpoint)
		if rule.Endpoint == "" && general == "" {
			r.errorf(at, "the rule of the table %s has no endpoint, and the workspace has none for all", table)
		}
	}
}

// Store says where checkpoints are kept: in a folder, or in a blob container.
type Store struct {
	Dir              string `yaml:"dir" doc:"A folder."`
	Container        string `yaml:"container" doc:"URL of a blob container; with connection_string, its name."`
	ConnectionString string `yaml:"connection_string" doc:"Of a storage account, by reference: ${env:NAME}."`
	Quarantine       string `yaml:"quarantine" doc:"URL of a container of its own for records that could not be delivered, so that who may read them is decided apart. Default: with the checkpoints."`
}

// store checks where checkpoints are kept. What was meant to be an address is no
// folder: checkpoints in a folder of a container's name would be gone at the next
// start of the app.
func (r *resolver) store(s *Store) {
	s.Dir, s.Container, s.Quarantine = r.resolve("store.dir", s.Dir, false), r.resolve("store.container", s.Container, false), r.resolve("store.quarantine", s.Quarantine, false)
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
	if address.MatchString(s.Dir) {
		r.errorf("store.dir", "%q is the address of a store and no folder: a blob container is given by its URL, %s", hideQuery(s.Dir), containerURL)
	}
	switch {
	case s.Container == "":
	case s.ConnectionString == "":
		r.container("store.container", s.Container)
	case !containerName.MatchString(s.Container):
		r.errorf("store.container", "%q: with a connection_string it is the container's name: 3 to 63 lower-case letters, digits and hyphens", hideQuery(s.Container))
	}
	if s.Quarantine != "" {
		r.container("store.quarantine", s.Quarantine)
	}
	s.ConnectionString = r.resolve("store.connection_string", s.ConnectionString, true)
}

var (
	// address is what nobody calls a folder: a URL, whole or not, a host of Azure
	// Storage, a connection string.
	address       = regexp.MustCompile(`(?i)^[a-z][a-z0-9+.-]+:/|://|\.core\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|^(DefaultEndpointsProtocol|BlobEndpoint|AccountName)=`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
)

const containerURL = "such as https://ACCOUNT.blob.core.windows.net/CONTAINER"

// container checks the URL of a blob container.
func (r *resolver) container(path, text string) {
	base, query, _ := strings.Cut(text, "?")
	u, err := netguard.ParseBase(base)
	switch {
	case query != "":
		r.errorf(path, "%q has a query: a container is opened by the identity, not by a signature in its URL", hideQuery(text))
		return
	case err != nil:
		r.errorf(path, "%v; want the URL of a container, %s", err, containerURL)
		return
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if netguard.Loopback(u.Hostname()) && len(parts) > 1 { // an emulator has the account in front
		parts = parts[1:]
	}
	if len(parts) != 1 || !containerName.MatchString(parts[0]) {
		r.errorf(path, "%q names no container: behind the host want its name alone, 3 to 63 lower-case letters, digits and hyphens, %s", text, containerURL)
	}
}

// hideQuery leaves out what may be a secret in an address or a connection string.
func hideQuery(text string) string {
	if i := strings.IndexAny(text, "?;"); i >= 0 {
		return text[:i] + "…"
	}
	return text
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
