package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/azblob"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/logsquery"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// loadConfig reads the file at path, or the app settings when path is "".
func loadConfig(path string, local *config.Workspace) (*config.Config, error) {
	now := time.Now()
	if path != "" {
		return config.Load(path, connectors.Find, os.LookupEnv, now, local)
	}
	all, err := connectors.All()
	if err != nil {
		return nil, err
	}
	return config.FromEnv(all, os.Environ(), now, local)
}

// configPath is the flag, else sluice.yaml where there is one, else "".
func configPath(flag string) string {
	if flag == "" {
		if _, err := os.Stat("sluice.yaml"); err == nil {
			return "sluice.yaml"
		}
	}
	return flag
}

// configured is the app of a command that reads the configuration at path.
func configured(cmd *cobra.Command, std *streams, path string) (*app, error) {
	c, err := loadConfig(configPath(path), nil)
	if err != nil {
		return nil, err
	}
	return newApp(cmd.Context(), c, logger(cmd, std.err))
}

// newApp opens store and sink and prepares the streams. What is wrong with a
// connection stops no other: it is logged, and reported by each run.
func newApp(ctx context.Context, c *config.Config, log *slog.Logger) (*app, error) {
	cred, err := credential(c.Workspace)
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, c.Store, cred)
	if err != nil {
		return nil, err
	}
	rules := map[string]logsingest.Rule{}
	for table, r := range c.Workspace.Rules {
		rules[table] = logsingest.Rule{ID: r.ID, Stream: r.Stream, Endpoint: cmp.Or(r.Endpoint, c.Workspace.Endpoint)}
	}
	sink, err := logsingest.New(rules, cred, clouds[c.Workspace.Cloud].config, nil)
	if err != nil {
		return nil, err
	}
	a := &app{Engine: engine.New(store, sink, log), workspace: c.Workspace, slots: make(chan struct{}, sideBySide), room: engine.NewRoom(memoryForRuns(debug.SetMemoryLimit(-1)))}
	a.Holder, a.Alive, a.Version = holder(), alive, buildVersion()
	a.prepare(c)
	return a, nil
}

// table reads back what a workspace has.
func (a *app) table() (*logsquery.Client, error) { return openQuery(a.workspace) }

func openQuery(w config.Workspace) (*logsquery.Client, error) {
	local := w.Credential == "none" // checked to be on this machine
	if w.ID == "" && !local {
		return nil, errors.New("workspace: id: is missing: the GUID of the workspace to read back from, as its overview page in the portal shows it")
	}
	endpoint := w.Query
	switch {
	case endpoint == "" && local:
		endpoint = w.Endpoints()[0]
	case endpoint == "":
		endpoint = clouds[w.Cloud].query
	}
	if _, err := netguard.ParseBase(endpoint); err != nil {
		return nil, fmt.Errorf("workspace query: %w", err)
	}
	cred, err := credential(w)
	if err != nil {
		return nil, err
	}
	return logsquery.New(endpoint, cmp.Or(w.ID, "local"), cred)
}

// newStreams prepares streams of a connection, part by part: requests and rows.
func newStreams(res *config.Resolved, store engine.Store, list []*spec.Stream) (streams []*engine.Stream, err error) {
	conn, err := openConnection(res, store)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		for _, part := range conn.Parts(s) {
			stream, err := conn.Stream(s, part)
			if err != nil {
				return nil, err
			}
			stream.Start = res.Start
			streams = append(streams, stream)
		}
	}
	return streams, nil
}

// openConnection prepares what the streams of a connection share. A credential that
// the provider replaces is kept in store.
func openConnection(res *config.Resolved, store engine.Store) (*rest.Connection, error) {
	return rest.Open(res.Connector, rest.Options{Name: res.Name, Transport: providers, BaseURL: res.BaseURL, Settings: res.Settings, UserAgent: "Sluice/" + buildVersion(), PrivateNetwork: res.Private,
		Azure: azureToken, Keep: &keeper{store, "credentials/" + res.Name}})
}

// providers is the way to the providers; nil: the network. Tests have one of their own.
var providers http.RoundTripper

// keeper keeps a credential in the store; it comes sealed.
type keeper struct {
	store engine.Store
	name  string
}

func (k *keeper) Load(ctx context.Context) ([]byte, error) { return k.store.Get(ctx, k.name) }

func (k *keeper) Save(ctx context.Context, sealed []byte) error {
	return k.store.Put(ctx, k.name, sealed)
}

// azureToken is a token of Microsoft Entra ID for the identity that Sluice has.
func azureToken(ctx context.Context, scope string) (string, time.Time, error) {
	cred, err := credential(config.Workspace{})
	if err != nil {
		return "", time.Time{}, err
	}
	t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return t.Token, t.ExpiresOn, err
}

// credential returns the identity for Azure.
func credential(w config.Workspace) (azcore.TokenCredential, error) {
	in := azcore.ClientOptions{Cloud: clouds[w.Cloud].config}
	trimEnv("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
	switch w.Credential {
	case "none":
		return logsingest.None{}, nil
	case "managed_identity":
		opt := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: in}
		if id := os.Getenv("AZURE_CLIENT_ID"); id != "" {
			opt.ID = azidentity.ClientID(id)
		}
		return azidentity.NewManagedIdentityCredential(opt)
	case "client_secret":
		cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: in})
		if err != nil {
			return nil, errors.New("credential: client_secret needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET")
		}
		return cred, nil
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: in})
}

// trimEnv takes the line end from variables that Azure's library reads by itself.
func trimEnv(names ...string) {
	for _, name := range names {
		if v := os.Getenv(name); v != strings.TrimSpace(v) {
			_ = os.Setenv(name, strings.TrimSpace(v))
		}
	}
}

func openStore(ctx context.Context, s config.Store, cred azcore.TokenCredential) (engine.Store, error) {
	switch {
	case s.ConnectionString != "":
		return azblob.OpenConnectionString(ctx, s.ConnectionString, s.Container)
	case s.Quarantine != "":
		store, err := azblob.Open(ctx, s.Container, cred, nil)
		if err != nil {
			return nil, err
		}
		quarantine, err := azblob.Open(ctx, s.Quarantine, cred, nil)
		return apart{store, quarantine}, err
	case s.Container != "":
		return azblob.Open(ctx, s.Container, cred, nil)
	}
	return dir.Open(s.Dir)
}

// line says what a run did, for a person.
func line(rep *engine.Report) string {
	if rep.Stream == "" {
		return rep.Connection + ": FAILED (" + rep.Reason + "): " + rep.Message
	}
	key := rep.Connection + "/" + rep.Stream
	n := rep.Counts
	var extra string
	for _, x := range []struct {
		n    int64
		what string
	}{{n.Filtered, "filtered"}, {n.Quarantined, "in quarantine"}, {n.Repeated, "known already"}, {n.Truncated, "with a text cut"}} {
		if x.n > 0 {
			extra += fmt.Sprintf(", %d %s", x.n, x.what)
		}
	}
	late := int64(0)
	for _, n := range rep.Late {
		late += n
	}
	if late > 0 {
		extra += fmt.Sprintf(", %d late", late)
	}
	for _, col := range slices.Sorted(maps.Keys(rep.Unfit)) {
		extra += fmt.Sprintf(", %s did not fit in %d", col, rep.Unfit[col])
	}
	s := fmt.Sprintf("%s: %s to %s%s", key, plural(n.Acknowledged, "row"), rep.Table, extra)
	switch rep.Outcome {
	case engine.OK:
		s += fmt.Sprintf("; caught up to %s", rep.Position.Format(time.RFC3339))
		for _, g := range rep.Gaps {
			s += fmt.Sprintf(", but for %s to %s, which %s catches up on", g.From.Format(time.RFC3339), g.To.Format(time.RFC3339), g.Lane)
		}
		return s
	case engine.Skipped:
		return key + ": skipped, " + rep.Message
	case engine.Failed:
		return s + "; FAILED (" + rep.Reason + "): " + rep.Message
	}
	return s + "; " + string(rep.Outcome) + ": " + rep.Message
}

// plural counts things: 1 row, 2 rows.
func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
