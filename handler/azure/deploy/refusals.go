package deploy

import (
	"regexp"
	"strings"
)

// explain is what az said, with what to do about the most frequent mistakes.
func explain(text string, err error) string {
	text = strings.TrimSpace(text)
	if text == "" {
		text = err.Error()
	}
	for _, r := range refusals {
		if r.text.MatchString(text) {
			return text + "; " + r.do
		}
	}
	return text
}

// refusals are what Azure refuses a deployment for, and what to do then; the first that
// fits counts, so the narrow stand before the wide. Codes are those of learn.microsoft.com,
// "Troubleshoot common Azure deployment errors", unless another source is given.
// InvalidTemplateDeployment and DeploymentFailed are missing on purpose: they are wrapped
// around the one that counts.
var refusals = []struct {
	text *regexp.Regexp
	do   string
}{
	{regexp.MustCompile("az login"), "sign in with az login"},
	{regexp.MustCompile("(?s)AuthorizationFailed.*roleAssignments/write"), "whoever deploys needs Owner, User Access Administrator or Role Based Access Control Administrator, or --set assignRoles=false"},
	{regexp.MustCompile("RoleAssignmentExists"), "the identity has this role from an earlier deployment, under another name: delete that assignment (az role assignment delete), or deploy with --set assignRoles=false"},
	{regexp.MustCompile("ResourceGroupNotFound"), "make the resource group first: az group create --name NAME --location REGION"},
	{regexp.MustCompile("ResourceGroupBeingDeleted|DeploymentActiveAndUneditable|AnotherOperationInProgress"), "something else is under way there: wait until it is done, and deploy again"},
	{regexp.MustCompile("RequestDisallowedByPolicy"), "a policy of the subscription forbids it: the message names the policy; ask its owner for an exemption, or choose what it allows (--set network=private, --set tags=…)"},
	{regexp.MustCompile("MissingSubscriptionRegistration|NoRegisteredProviderFound|SubscriptionNotRegistered|InvalidSubscriptionRegistrationState|MissingRegistrationForLocation"), "register what the message names: az provider register --namespace NAME --wait"},
	// A group keeps 800 deployments, and Azure deletes old ones by itself unless a lock forbids
	// it ("Resolve error when deployment count exceeds 800").
	{regexp.MustCompile("DeploymentQuotaExceeded"), "the group's history is full: remove a lock that keeps Azure from deleting old deployments, or delete some (az deployment group delete --resource-group GROUP --name NAME); what they made stays"},
	{regexp.MustCompile("(?s)QuotaExceeded|SubscriptionIsOverQuotaForSku|OverQuota|RegionDoesNotAllowProvisioning|OperationNotAllowed.*[Qq]uota"), "the region has no more of this plan for the subscription: ask for more (az quota), or take another with --set location=… or --set plan=…"},
	// VaultAlreadyExists says both: somebody has the name, or a deleted vault keeps it
	// (Azure/AVDBlueprint, issue 128).
	{regexp.MustCompile("(?i)vault.*(deleted state|soft.?deleted)|VaultAlreadyExists"), `the name belongs to somebody, or to a vault that was deleted and is kept for ninety days: deploy plan brings back one of this group and region by itself; else take another name with --set 'names={"vault": "NAME"}'`},
	{regexp.MustCompile("StorageAccountAlreadyTaken|StorageAccountAlreadyExists|StorageAccountInAnotherResourceGroup"), `take another name with --set 'names={"storage": "NAME"}'`},
	{regexp.MustCompile("LocationNotAvailableForResourceType|SkuNotAvailable|not available in (this )?(location|region)"), "take another region with --set location=…, or another plan with --set plan=premium"},
	// What App Service says of a subnet that exists (Azure/azure-quickstart-templates, issue
	// 8813); Flex Consumption's delegation is another ("Azure Functions Flex Consumption plan
	// hosting", virtual network integration).
	{regexp.MustCompile("is missing a delegation"), "the subnet of --set appSubnetId=… has to be delegated: az network vnet subnet update --ids ID --delegations Microsoft.App/environments (flex) or Microsoft.Web/serverFarms"},
	{regexp.MustCompile("SubnetMissingRequiredDelegation|Delegations of subnet .* cannot be changed"), "an app in the subnet needs the delegation that the subnet has: keep the plan of that app, or take another subnet with --set appSubnetId=…"},
	{regexp.MustCompile("SubnetIsFull"), "the subnet has no free addresses: take a larger one with --set appSubnetId=… and endpointSubnetId=…"},
	// A network takes one zone of a name (Azure/Enterprise-Scale, issue 1752;
	// MicrosoftDocs/azure-aks-docs, issue 212).
	{regexp.MustCompile("is already linked to the virtual network|multiple zones with overlapping namespaces"), "the network has private DNS zones of these names already: --set dnsZones=false, and with one for Azure Monitor --set privateLinkScopeId=… too"},
}
