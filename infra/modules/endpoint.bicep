// A private endpoint: an address in the network for one service.

@description('Name of the endpoint.')
param name string

@description('Region.')
param location string

@description('The subnet that it is in.')
param subnetId string

@description('What it leads to.')
param targetId string

@description('Which service of the target: blob, vault, sites, azuremonitor.')
param service string

@description('DNS zones that get its name. None: they are kept centrally.')
param zoneIds array

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
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

resource group 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = if (!empty(zoneIds)) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: map(zoneIds, id => { name: replace(last(split(id, '/')), '.', '-'), properties: { privateDnsZoneId: id } })
  }
}
