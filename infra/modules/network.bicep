// The private network: subnets and the way out, unless there are some, and the DNS
// zones of the services that are reached through it.

@description('Name of what is made.')
param name string

@description('Region.')
param location string

@description('Who the subnet of the app is delegated to: it differs by plan.')
param delegation string

@description('Addresses of the network that is made: a /24 or larger.')
param addressPrefix string

@description('Existing subnet for the app, delegated already. Empty: a network is made.')
param appSubnetId string

@description('Existing subnet for private endpoints.')
param endpointSubnetId string

@description('Make the DNS zones and link them to the network. Not where they are kept centrally.')
param dnsZones bool

var create = empty(appSubnetId)
var parts = split(addressPrefix, '.')
var base = '${parts[0]}.${parts[1]}.${parts[2]}'

// The way to the providers: subnets have none of their own, and this one has an
// address that stays, which a provider can be told to let in.
resource address 'Microsoft.Network/publicIPAddresses@2025-05-01' = if (create) {
  name: name
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource nat 'Microsoft.Network/natGateways@2025-05-01' = if (create) {
  name: name
  location: location
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [ { id: address.id } ] }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = if (create) {
  name: name
  location: location
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

// The names of the zones differ by cloud (learn.microsoft.com, "Azure private endpoint private DNS zone values").
var suffixes = {
  AzureCloud: { vault: 'vaultcore.azure.net', monitor: 'monitor.azure.com', insights: 'opinsights.azure.com', automation: 'azure-automation.net', sites: 'azurewebsites.net' }
  AzureUSGovernment: { vault: 'vaultcore.usgovcloudapi.net', monitor: 'monitor.azure.us', insights: 'opinsights.azure.us', automation: 'azure-automation.us', sites: 'azurewebsites.us' }
  AzureChinaCloud: { vault: 'vaultcore.azure.cn', monitor: 'monitor.azure.cn', insights: 'opinsights.azure.cn', automation: 'azure-automation.cn', sites: 'chinacloudsites.cn' }
}
var cloud = suffixes[environment().name]
var names = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.${cloud.vault}'
  'privatelink.${cloud.sites}'
  'privatelink.${cloud.monitor}'
  'privatelink.ods.${cloud.insights}'
  'privatelink.oms.${cloud.insights}'
  'privatelink.agentsvc.${cloud.automation}'
]

resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zone in names: if (dnsZones) {
  name: zone
  location: 'global'
}]

// A network's id is that of its subnet without the last two parts.
var ids = split(endpointSubnetId, '/subnets/')
var networkId = create ? resourceId('Microsoft.Network/virtualNetworks', name) : ids[0]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for zone in names: if (dnsZones) {
  name: '${zone}/${name}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: networkId }
  }
  dependsOn: [ zones, network ]
}]

@description('The subnet of the app.')
output appSubnetId string = create ? '${network.id}/subnets/app' : appSubnetId

@description('The subnet of private endpoints.')
output endpointSubnetId string = create ? '${network.id}/subnets/endpoints' : endpointSubnetId

@description('The zones that were made, by service.')
output zones object = {
  blob: dnsZones ? [ resourceId('Microsoft.Network/privateDnsZones', names[0]) ] : []
  vault: dnsZones ? [ resourceId('Microsoft.Network/privateDnsZones', names[1]) ] : []
  sites: dnsZones ? [ resourceId('Microsoft.Network/privateDnsZones', names[2]) ] : []
  azuremonitor: dnsZones ? [
    resourceId('Microsoft.Network/privateDnsZones', names[3])
    resourceId('Microsoft.Network/privateDnsZones', names[4])
    resourceId('Microsoft.Network/privateDnsZones', names[5])
    resourceId('Microsoft.Network/privateDnsZones', names[6])
    resourceId('Microsoft.Network/privateDnsZones', names[0])
  ] : []
}
