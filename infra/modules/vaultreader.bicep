// The right to read the secrets of a vault, the app's own or an existing one. That one
// has to go by roles (enableRbacAuthorization), not by access policies.

@description('Name of the vault, in this resource group.')
param vaultName string

@description('Object id of the identity that reads.')
param principalId string

@description('Resource id of that identity. The role assignment is named by it, so that what-if knows it beforehand.')
param identityId string

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

// Key Vault Secrets User
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identityId, secretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
