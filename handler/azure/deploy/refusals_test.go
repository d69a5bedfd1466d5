package deploy

import (
	"os"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		"ERROR: Please run 'az login' to setup account.": "sign in with az login",
		"ERROR: (ResourceGroupNotFound) nope":            "az group create --name NAME",
		"(AuthorizationFailed) The client does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write'": "--set assignRoles=false",
		"(RoleAssignmentExists) The role assignment already exists.":                                                                     "az role assignment delete",
		"(RequestDisallowedByPolicy) Resource 'x' was disallowed by policy. Policy identifiers: ...":                                     "ask its owner",
		"(MissingSubscriptionRegistration) The subscription is not registered to use namespace 'Microsoft.App'.":                         "az provider register",
		"(MissingRegistrationForLocation) ...":                                                                                           "az provider register",
		"(SubscriptionIsOverQuotaForSku) This region has quota of 0 instances for your subscription.":                                    "another with --set location=…",
		"(OperationNotAllowed) Operation could not be completed as it results in exceeding approved\nquota":                              "az quota",
		"(DeploymentQuotaExceeded) Creating the deployment 'x' would exceed the quota of '800'.":                                         "az deployment group delete",
		"(ConflictError) A vault with the same name already exists in deleted state. You need to either recover or purge existing":       `names={"vault": "NAME"}`,
		"(VaultAlreadyExists) The vault name 'x' is already in use. Vault names are globaly unique so":                                   `names={"vault": "NAME"}`,
		"(StorageAccountAlreadyTaken) The storage account named x is already taken.":                                                     `names={"storage": "NAME"}`,
		"(LocationNotAvailableForResourceType) The provided location 'x' is not available for resource type 'Microsoft.Web/sites'.":      "another region",
		"(SkuNotAvailable) The requested tier for resource 'x' is currently not available":                                               "another region",
		"(DeploymentActiveAndUneditable) ...":                                                                                            "wait until it is done",
		"Subnet app in VNET v is missing a delegation to Microsoft.Web/serverFarms. Please add the delegation and try again.":            "--delegations Microsoft.App/environments (flex)",
		"(SubnetMissingRequiredDelegation) Subnet requires delegation(s) [Microsoft.App/environments]":                                   "keep the plan of that app",
		"(SubnetIsFull) ...": "a larger one",
		"(Conflict) Private zone 'privatelink.monitor.azure.com' is already linked to the virtual network '/subscriptions/s'":       "--set dnsZones=false",
		"(BadRequest) A virtual network cannot be linked to multiple zones with overlapping namespaces.":                            "--set dnsZones=false",
		`{"code":"InvalidTemplateDeployment","details":[{"code":"SkuNotAvailable","message":"The requested size is unavailable"}]}`: "another region",
		"": os.ErrNotExist.Error(),
	} {
		if got := explain(text, os.ErrNotExist); !strings.Contains(got, want) || !strings.HasPrefix(got, text) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if text := "(InvalidTemplateDeployment) something new"; explain(text, nil) != text {
		t.Errorf("advice about what is not known: %s", explain(text, nil))
	}
}
