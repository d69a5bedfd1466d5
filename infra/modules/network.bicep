// The private network: subnets and the way out, unless there are some, and the DNS
// zones of the services that are reached through it.

import { resourceTags } from '../types.bicep'

@description('Name of the network.')
param name string

@description('Name of the way out of it.')
param natGatewayName string

@description('Name of the address of the way out.')
param publicIpName string

@description('Region.')
param location string

@description('Tags for what is made.')
param tags resourceTags

@description('Who the subnet of the app is delegated to: it differs by plan.')
param delegation string

@description('Addresses of the network that is made: a /24 or larger.')
param addressPrefix string

@description('Existing subnet for the app, delegated already. Empty: a network is made.')
param appSubnetId string

@description('Existing subnet for private endpoints.')
param endpointSubnetId string

@description('DNS zones to make and to link to the network. None: they are kept centrally.')
param zones string[]

var create = empty(appSubnetId)
var parts = split(addressPrefix, '.')
var base = '${parts[0]}.${parts[1]}.${parts[2]}'

// The way to the providers: subnets have none of their own, and this one has an
// address that stays, which a provider can be told to let in.
resource address 'Microsoft.Network/publicIPAddresses@2025-05-01' = if (create) {
  name: publicIpName
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource nat 'Microsoft.Network/natGateways@2025-05-01' = if (create) {
  name: natGatewayName
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [ { id: address.id } ] }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = if (create) {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [ addressPrefix ] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '${base}.0/26'
          natGateway: { id: nat.id }
          delegations: [ { name: 'app', properties: { serviceName: delegation } } ]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: '${base}.64/26' }
      }
    ]
  }
}

resource made 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

// A network's id is that of its subnet without the last two parts.
var ids = split(endpointSubnetId, '/subnets/')
var networkId = create ? resourceId('Microsoft.Network/virtualNetworks', name) : ids[0]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for zone in zones: {
  name: '${zone}/${name}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: networkId }
  }
  dependsOn: [ made, network ]
}]

@description('The subnet of the app.')
output appSubnetId string = create ? '${network.id}/subnets/app' : appSubnetId

@description('The subnet of private endpoints.')
output endpointSubnetId string = create ? '${network.id}/subnets/endpoints' : endpointSubnetId
