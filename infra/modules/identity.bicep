// The identity of the app: a new one, or an existing one.

import { resourceTags } from '../types.bicep'

@description('Name of the identity that is made.')
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Resource id of an existing identity. Empty: one is made.')
param existingId string

var place = split(empty(existingId) ? resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', name) : existingId, '/')

resource made 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (empty(existingId)) {
  name: name
  location: location
  tags: tags
}

resource given 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = if (!empty(existingId)) {
  name: place[8]
  scope: resourceGroup(place[2], place[4])
}

@description('Its object id.')
output principalId string = empty(existingId) ? made!.properties.principalId : given!.properties.principalId

@description('Its client id.')
output clientId string = empty(existingId) ? made!.properties.clientId : given!.properties.clientId
