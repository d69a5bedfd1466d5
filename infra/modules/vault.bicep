// A Key Vault for the secrets of the connectors.

import { resourceTags } from '../types.bicep'

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Reached through a private endpoint only.')
param private bool

@description('A vault of this name was deleted, and is to come back with its secrets.')
param recover bool

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    createMode: recover ? 'recover' : 'default'
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

@description('Resource id of the vault.')
output id string = vault.id
