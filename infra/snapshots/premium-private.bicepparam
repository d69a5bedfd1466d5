// One connector on a Premium plan in a private network, with the app's own logs and tags:
// what a change does to it is seen in premium-private.snapshot.json, which scripts/generate
// renews.
using '../connectors/okta/main.bicep'

param workspaceId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/sentinel'
param plan = 'premium'
param network = 'private'
param insightsWorkspaceId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops'
param tags = { costCenter: 'soc' }
param oktaDomain = 'contoso.okta.com'
param oktaApiToken = 'not-a-secret'
param packageUri = 'https://github.com/sluice-connectors/sluice/releases/download/v1.2.3/sluice-functions.zip'
