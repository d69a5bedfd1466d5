// A private endpoint: an address in the network for one service.

import { resourceTags } from '../types.bicep'

@description('Name of the endpoint.')
param name string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('The subnet that it is in.')
param subnetId string

@description('What it leads to.')
param targetId string

@description('Which service of the target: blob, vault, sites, azuremonitor.')
param service string

@description('DNS zones, of this resource group, that get its name. None: they are kept centrally.')
param zones string[]

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: targetId
          groupIds: [ service ]
        }
      }
    ]
  }
}

resource group 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = if (!empty(zones)) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: map(zones, zone => { name: replace(zone, '.', '-'), properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zone) } })
  }
}
