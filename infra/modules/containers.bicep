// What the app needs of a storage account, its own or an existing one: containers for the
// package, checkpoints and quarantine, and the right to use them and what the Functions
// host keeps beside them.

@description('Name of the account, in this resource group.')
param account string

@description('Container for the app\'s package. Two apps that share one run each other\'s code.')
param package string

@description('Container for checkpoints.')
param state string

@description('Container for records as the provider sent them: who may read it is decided apart.')
param quarantine string

@description('Object id of the identity that reads and writes.')
param principalId string

@description('Resource id of that identity. Role assignments are named by it, so that what-if knows them beforehand.')
param identityId string

@description('Assign the role; else it is assigned elsewhere.')
param assignRoles bool

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: account

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource containers 'containers' = [for container in [ package, state, quarantine ]: {
      name: container
      properties: { publicAccess: 'None' }
    }]
  }
}

// Storage Blob Data Owner: the Functions host's leases and timers need it.
var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (assignRoles) {
  scope: storage
  name: guid(storage.id, identityId, blobOwner)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobOwner)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Address of the account\'s blobs, with a slash at the end.')
output blobs string = storage.properties.primaryEndpoints.blob
