// A secret in a vault.

@description('Name of the vault, in this resource group.')
param vaultName string

@description('Name of the secret.')
param name string

@description('Its value.')
@secure()
param value string

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = {
  parent: vault
  name: name
  properties: { value: value }
}
