// The Key Vault for the secrets of the connectors.

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags object

@description('Object id of the identity that reads secrets.')
param principalId string

@description('Resource id of that identity. Role assignments are named by it, so that what-if knows them beforehand.')
param identityId string

@description('Assign the role; else it is assigned elsewhere.')
param assignRoles bool

@description('Reached through a private endpoint only.')
param private bool

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: private ? 'Deny' : 'Allow'
      bypass: 'AzureServices' // Azure Resource Manager writes the secrets
    }
  }
}

// Key Vault Secrets User
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (assignRoles) {
  scope: vault
  name: guid(vault.id, identityId, secretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the vault.')
output id string = vault.id
