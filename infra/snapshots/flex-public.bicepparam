// One connector on Flex Consumption, reached from the internet: what a change does to it is
// seen in flex-public.snapshot.json, which scripts/generate renews.
using '../connectors/okta/main.bicep'

param workspaceId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/sentinel'
param oktaDomain = 'contoso.okta.com'
param oktaApiToken = 'not-a-secret'
param packageUri = 'https://github.com/sluice-connectors/sluice/releases/download/v1.2.3/sluice-functions.zip'
