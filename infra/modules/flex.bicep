// The function app on Flex Consumption: paid by what it runs.

import { appSetting, appSettingValues, resourceTags } from '../types.bicep'

@description('Name of the app.')
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Name of the server plan that is made.')
param planName string

@description('Resource id of an existing server plan, which is taken instead. Empty: one is made.')
param planId string

@description('Resource id of its identity.')
param identityId string

@description('Client id of its identity.')
param clientId string

@description('Address of the account\'s blobs, with a slash at the end.')
param blobs string

@description('The container for the package.')
param container string

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

@description('Memory of an instance in MB.')
@allowed([ 512, 2048, 4096 ])
param memory int = 512

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = if (empty(planId)) {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true, zoneRedundant: false }
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
    serverFarmId: empty(planId) ? plan.id : planId
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobs}${container}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      scaleAndConcurrency: { maximumInstanceCount: 40, instanceMemoryMB: memory }
      runtime: { name: 'custom', version: '1.0' }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: concat([
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobs }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: clientId }
      ], filter(settings, s => !empty(s.value)), map(items(further), s => { name: s.key, value: s.value }))
    }
  }
}

// The platform fetches the package and starts it.
resource code 'Microsoft.Web/sites/extensions@2025-03-01' = if (!empty(packageUri)) {
  parent: app
  name: 'onedeploy'
  #disable-next-line BCP187
  properties: { packageUri: packageUri, remoteBuild: false }
}

@description('Resource id of the app.')
output id string = app.id
