// The function app's storage: the package, checkpoints, quarantine, and what the
// Functions host keeps. No shared keys and no public blobs.

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags object

@description('Object id of the identity that reads and writes.')
param principalId string

@description('Resource id of that identity. Role assignments are named by it, so that what-if knows them beforehand.')
param identityId string

@description('Assign the role; else it is assigned elsewhere.')
param assignRoles bool

@description('Reached through a private endpoint only.')
param private bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: private ? 'Deny' : 'Allow'
      bypass: 'None'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 7 }
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
  }
}

// Two apps that share a container for packages run each other's code.
resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'package'
  properties: { publicAccess: 'None' }
}

resource checkpoints 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'sluice'
  properties: { publicAccess: 'None' }
}

// Records as the provider sent them: who may read it is decided apart.
resource quarantine 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'quarantine'
  properties: { publicAccess: 'None' }
}

// Storage Blob Data Owner: the Functions host's leases and timers need it.
var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (assignRoles) {
  scope: account
  name: guid(account.id, identityId, blobOwner)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobOwner)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the account.')
output id string = account.id

@description('Address of its blobs, with a slash at the end.')
output blobs string = account.properties.primaryEndpoints.blob
