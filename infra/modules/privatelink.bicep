// Rows on a private way: a data collection endpoint that is closed to the
// internet, in an Azure Monitor private link scope (AMPLS).

import { resourceTags } from '../types.bicep'

@description('Name of the data collection endpoint, and of what it is called in the private link scope.')
param name string

@description('Name of the private link scope that is made.')
param scopeName string

@description('Name of its private endpoint.')
param endpointName string

@description('Region of the app.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Region of the workspace: endpoint and rules have to be in it.')
param workspaceLocation string

@description('Existing private link scope: a network can have one only. Empty: one is made, with its private endpoint.')
param scopeId string

@description('Resource id of Application Insights, or empty.')
param insightsId string

@description('The subnet of private endpoints.')
param subnetId string

@description('DNS zones of Azure Monitor, of this resource group.')
param zones string[]

resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2024-03-11' = {
  name: name
  location: workspaceLocation
  tags: tags
  properties: {
    networkAcls: { publicNetworkAccess: 'Disabled' }
  }
}

// Open: other services of the network go on as they did.
resource scope 'Microsoft.Insights/privateLinkScopes@2021-09-01' = if (empty(scopeId)) {
  name: scopeName
  location: 'global'
  tags: tags
  properties: {
    accessModeSettings: { ingestionAccessMode: 'Open', queryAccessMode: 'Open' }
  }
}

module members 'scoped.bicep' = {
  scope: resourceGroup(split(empty(scopeId) ? resourceGroup().id : scopeId, '/')[2], split(empty(scopeId) ? resourceGroup().id : scopeId, '/')[4])
  params: {
    scopeName: empty(scopeId) ? scopeName : last(split(scopeId, '/'))
    name: name
    endpointId: endpoint.id
    insightsId: insightsId
  }
  dependsOn: [ scope ]
}

module link 'endpoint.bicep' = if (empty(scopeId)) {
  params: {
    name: endpointName
    location: location
    tags: tags
    subnetId: subnetId
    targetId: scope.id
    service: 'azuremonitor'
    zones: zones
  }
  dependsOn: [ members ]
}

@description('Resource id of the data collection endpoint.')
output endpointId string = endpoint.id

@description('Where rows are sent.')
output endpoint string = endpoint.properties.logsIngestion.endpoint
