param names array
@secure()
param secret string
param where string = resourceGroup().location

// Zones are made once for each name.
resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for n in names: if (n != '') {
  name: n
  location: 'global'
}]

resource store 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'st${uniqueString(resourceGroup().id)}'
  location: where
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  tags: { secret: secret }
  dependsOn: [ zones ]
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: store
  name: 'default'
}

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: store
  name: guid(store.id, 'x')
  properties: {
    text: loadTextContent('text.txt')
  }
}

output endpoint string = store.properties.primaryEndpoints.blob
output blobs string = blobs.id
