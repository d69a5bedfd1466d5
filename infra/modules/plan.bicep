// The function app on a Premium or Dedicated plan, for clouds and regions
// without Flex Consumption.

import { appSetting, appSettingValues, resourceTags } from '../types.bicep'

@description('Name of the app.')
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Which plan.')
@allowed([ 'premium', 'dedicated' ])
param kind string

@description('Name of the server plan that is made.')
param planName string

@description('Resource id of an existing server plan, which is taken instead. Empty: one is made.')
param planId string

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param clientId string

@description('Address of the account\'s blobs, with a slash at the end.')
param blobs string

@description('App settings; those without a value are left out.')
param settings appSetting[]

@description('Further app settings.')
param further appSettingValues

@description('Subnet for all that the app calls, or empty.')
param subnetId string

@description('Not reachable from the internet.')
param private bool

@description('Address of the package. Empty: it is deployed afterwards.')
param packageUri string

var skus = {
  premium: { tier: 'ElasticPremium', name: 'EP1' }
  dedicated: { tier: 'Basic', name: 'B1' }
}

resource farm 'Microsoft.Web/serverfarms@2025-03-01' = if (empty(planId)) {
  name: planName
  location: location
  tags: tags
  kind: kind == 'premium' ? 'elastic' : 'linux'
  sku: skus[kind]
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: empty(planId) ? farm.id : planId
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      linuxFxVersion: ''
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      alwaysOn: kind == 'dedicated' // without it timers do not fire
      vnetRouteAllEnabled: !empty(subnetId)
      appSettings: concat([
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobs }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: clientId }
        { name: 'FUNCTIONS_EXTENSION_VERSION', value: '~4' }
        { name: 'FUNCTIONS_WORKER_RUNTIME', value: 'custom' }
      ], empty(packageUri) ? [] : [
        // Run from there, an app on Linux needs no share for its content.
        { name: 'WEBSITE_RUN_FROM_PACKAGE', value: packageUri }
      ], filter(settings, s => !empty(s.value)), map(items(further), s => { name: s.key, value: s.value }))
    }
  }
}

@description('Resource id of the app.')
output id string = app.id
