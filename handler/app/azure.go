package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/logsquery"
	"github.com/sluice-connectors/sluice/handler/netguard"
)

// Cloud is one of the Clouds: how its identities are asked, whom tokens for rows are
// for, and where the query API of its workspaces is.
type Cloud struct {
	Config   cloud.Configuration
	Audience string
	Query    string
}

// Clouds are those that sluice.yaml can name.
var Clouds = map[string]Cloud{
	"AzureCloud":        {cloud.AzurePublic, "https://monitor.azure.com/", "https://api.loganalytics.io"},
	"AzureUSGovernment": {cloud.AzureGovernment, "https://monitor.azure.us/", "https://api.loganalytics.us"},
	"AzureChinaCloud":   {cloud.AzureChina, "https://monitor.azure.cn/", "https://api.loganalytics.azure.cn"},
}

// AzureToken is a token of Microsoft Entra ID for the identity that Sluice has.
func AzureToken(ctx context.Context, scope string) (string, time.Time, error) {
	cred, err := Credential(config.Workspace{})
	if err != nil {
		return "", time.Time{}, err
	}
	t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return t.Token, t.ExpiresOn, err
}

// Credential returns the identity for Azure.
func Credential(w config.Workspace) (azcore.TokenCredential, error) {
	in := azcore.ClientOptions{Cloud: Clouds[w.Cloud].Config}
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

// OpenQuery opens what reads back the rows of a workspace: the query API, in Azure or on
// this machine.
func OpenQuery(w config.Workspace) (*logsquery.Client, error) {
	local := w.Credential == "none" // checked to be on this machine
	if w.ID == "" && !local {
		return nil, errors.New("workspace: id: is missing: the GUID of the workspace to read back from, as its overview page in the portal shows it")
	}
	endpoint := w.Query
	switch {
	case endpoint == "" && local:
		endpoint = w.Endpoints()[0]
	case endpoint == "":
		endpoint = Clouds[w.Cloud].Query
	}
	if _, err := netguard.ParseBase(endpoint); err != nil {
		return nil, fmt.Errorf("workspace query: %w", err)
	}
	cred, err := Credential(w)
	if err != nil {
		return nil, err
	}
	return logsquery.New(endpoint, cmp.Or(w.ID, "local"), cred)
}
