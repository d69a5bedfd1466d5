// Application Insights for the app's own logs, on a workspace of the user's choice.

import { resourceTags } from '../types.bicep'

@description('Name of the component.')
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Resource id of the workspace that is billed for these logs.')
param workspaceId string

@description('Object id of the identity that sends them.')
param principalId string

@description('Resource id of that identity. Role assignments are named by it, so that what-if knows them beforehand.')
param identityId string

@description('Assign the role; else it is assigned elsewhere.')
param assignRoles bool

@description('Logs are taken from the private network only.')
param private bool

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceId
    DisableLocalAuth: true
    publicNetworkAccessForIngestion: private ? 'Disabled' : 'Enabled'
  }
}

// Monitoring Metrics Publisher
var publisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (assignRoles) {
  scope: insights
  name: guid(insights.id, identityId, publisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', publisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the component.')
output id string = insights.id

@description('Where logs are sent; with DisableLocalAuth it is an address and no secret.')
output address string = insights.properties.ConnectionString
