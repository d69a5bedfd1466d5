// The right to read rows back, for sluice reconcile and sluice verify.

@description('Name of the workspace, in this resource group.')
param workspace string

@description('Object id of the identity that reads.')
param principalId string

@description('Resource id of that identity. The role assignment is named by it, so that what-if knows it beforehand.')
param identityId string

resource sentinel 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspace
}

// Log Analytics Reader
var reader = '73c42c96-874c-492b-b04d-ab87d138a893'

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: sentinel
  name: guid(sentinel.id, identityId, reader)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reader)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
