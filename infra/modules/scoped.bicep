// Members of a private link scope.

@description('Name of the scope, in this resource group.')
param scopeName string

@description('Name of the app.')
param name string

@description('Resource id of the data collection endpoint.')
param endpointId string

@description('Resource id of Application Insights, or empty.')
param insightsId string

resource scope 'Microsoft.Insights/privateLinkScopes@2021-09-01' existing = {
  name: scopeName
}

resource rows 'Microsoft.Insights/privateLinkScopes/scopedResources@2021-09-01' = {
  parent: scope
  name: '${name}-rows'
  properties: { linkedResourceId: endpointId }
}

resource logs 'Microsoft.Insights/privateLinkScopes/scopedResources@2021-09-01' = if (!empty(insightsId)) {
  parent: scope
  name: '${name}-logs'
  properties: { linkedResourceId: insightsId }
}
