package main

import "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

// azure is one of the clouds: how its identities are asked, whom tokens for rows are
// for, and where the query API of its workspaces is.
type azure struct {
	config   cloud.Configuration
	audience string
	query    string
}

var clouds = map[string]azure{
	"AzureCloud":        {cloud.AzurePublic, "https://monitor.azure.com/", "https://api.loganalytics.io"},
	"AzureUSGovernment": {cloud.AzureGovernment, "https://monitor.azure.us/", "https://api.loganalytics.us"},
	"AzureChinaCloud":   {cloud.AzureChina, "https://monitor.azure.cn/", "https://api.loganalytics.azure.cn"},
}
