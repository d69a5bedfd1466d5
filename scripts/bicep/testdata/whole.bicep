metadata description = 'A template with a module elsewhere.'

@description('Name of what is made.')
@minLength(2)
@allowed(['a1', 'b2'])
param name string = 'a1'
@secure()
param secret string

var group = { id: 'sub', name: 'rg' }
var inside = part.outputs.endpoint

module part 'part.bicep' = if (name == 'a1') {
  name: 'part-${name}'
  scope: resourceGroup(group.id, group.name)
  params: {
    names: ['x', 'y']
    secret: secret
  }
}

module again 'part.bicep' = {
  params: { names: [], secret: '', where: name }
  dependsOn: [ part ]
}

output endpoint string = inside
output other string = again.outputs.blobs
