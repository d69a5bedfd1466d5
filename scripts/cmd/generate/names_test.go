package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/azure/arm"
)

// legal are the names that Azure accepts (learn.microsoft.com, "Naming rules and
// restrictions for Azure resources").
var legal = map[string]string{
	"Microsoft.Insights/components":                             `^[^%&\\?/]{0,259}[^%&\\?/. ]$`,
	"Microsoft.Insights/diagnosticSettings":                     `^[^*<>%:&?+/ \\]{1,260}$`,
	"Microsoft.Insights/privateLinkScopes":                      `^[A-Za-z0-9._-]{0,254}[A-Za-z0-9_-]$`,
	"Microsoft.Insights/privateLinkScopes/scopedResources":      `^[A-Za-z0-9._-]{0,254}[A-Za-z0-9_-]$`,
	"Microsoft.Insights/workbooks":                              `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
	"Microsoft.Network/natGateways":                             `^[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$`,
	"Microsoft.Network/publicIPAddresses":                       `^[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$`,
	"Microsoft.Network/privateDnsZones":                         `^[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9-]{1,63})+$`,
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks":     `^[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$`,
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups":   `^default$`,
	"Microsoft.SecurityInsights/dataConnectorDefinitions":       `^[A-Za-z0-9-]{3,64}$`,
	"Microsoft.Storage/storageAccounts/blobServices":            `^default$`,
	"Microsoft.Web/sites/extensions":                            `^onedeploy$`,
	"Microsoft.Storage/storageAccounts":                         `^[a-z0-9]{3,24}$`,
	"Microsoft.KeyVault/vaults":                                 `^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$`,
	"Microsoft.KeyVault/vaults/secrets":                         `^[A-Za-z0-9-]{1,127}$`,
	"Microsoft.Web/sites":                                       `^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]$`,
	"Microsoft.Web/serverfarms":                                 `^[A-Za-z0-9-]{1,40}$`,
	"Microsoft.ManagedIdentity/userAssignedIdentities":          `^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`,
	"Microsoft.Insights/dataCollectionRules":                    `^[A-Za-z0-9][A-Za-z0-9-]{2,62}[A-Za-z0-9]$`,
	"Microsoft.Insights/dataCollectionEndpoints":                `^[A-Za-z0-9][A-Za-z0-9-]{1,42}[A-Za-z0-9]$`,
	"Microsoft.Network/virtualNetworks":                         `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`,
	"Microsoft.Network/privateEndpoints":                        `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`,
	"Microsoft.OperationalInsights/workspaces/tables":           `^[A-Za-z0-9_-]{4,63}$`,
	"Microsoft.Storage/storageAccounts/blobServices/containers": `^[a-z0-9](-?[a-z0-9]){2,62}$`,
	"Microsoft.Authorization/roleAssignments":                   `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
	"Microsoft.SecurityInsights/alertRules":                     `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
	"Microsoft.OperationalInsights/workspaces/savedSearches":    `^[a-z0-9_-]{4,120}$`,
}

// TestNamesAreLegal for names of 2, 24 and 63 characters, in capitals, and for names of
// one's own that are as long as they may be.
func TestNamesAreLegal(t *testing.T) {
	unchecked := map[string]bool{}
	each(t, func(t *testing.T, _ deployedCase, res *arm.Result) {
		for _, r := range res.Resources {
			last := r.Name[strings.LastIndexByte(r.Name, '/')+1:]
			switch pattern := legal[r.Type]; {
			case pattern == "":
				unchecked[r.Type] = true
			case !regexp.MustCompile(pattern).MatchString(last):
				t.Errorf("%q is no legal name of a %s", last, r.Type)
			}
		}
	})
	for typ := range unchecked {
		t.Errorf("what a legal name of a %s is nobody says here", typ)
	}
}
