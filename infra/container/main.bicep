// Sluice in Azure Container Apps: the same binary with its own scheduler. What it
// needs at the workspace comes from infra/connectors/NAME/workspace.bicep and
// infra/health/workspace.bicep, whose output rules is a setting here.
import { appSetting, resourceTags } from '../types.bicep'

metadata description = 'Sluice in Azure Container Apps, with its own scheduler.'

@description('A setting whose value is a secret in Key Vault.')
type vaultSecret = {
  @description('Name of the setting.')
  name: string

  @description('Name of the secret in the app.')
  secret: string

  @description('Address of the secret in the vault.')
  uri: string
}

@description('Name of the app.')
@minLength(2)
@maxLength(32)
param name string = 'sluice'

@description('Region.')
param location string = resourceGroup().location

@description('Tags for what is made.')
param tags resourceTags = {}

@description('The image, by its digest: REGISTRY/sluice@sha256:… A tag can move.')
param image string

@description('Resource id of a user-assigned identity: it may pull the image, send to the rules, read the secrets, and write to the container for checkpoints.')
param identityId string

@description('Server of the registry that the identity pulls from, or empty for a public image.')
param registry string = ''

@description('Settings, such as [{"name": "AZURE_CLIENT_ID", "value": "the identity\'s"}, {"name": "OKTA_DOMAIN", "value": "contoso.okta.com"}, {"name": "SLUICE_STORE", "value": "https://ACCOUNT.blob.core.windows.net/sluice"}].')
param settings appSetting[]

@description('Secrets in Key Vault by setting, such as [{"name": "OKTA_API_TOKEN", "secret": "okta-api-token", "uri": "https://VAULT.vault.azure.net/secrets/okta-api-token"}].')
param secrets vaultSecret[] = []

@description('Replicas. Each stream is collected by one of them; another takes over where one dies.')
@minValue(1)
@maxValue(10)
param replicas int = 1

@description('Subnet of the environment, delegated to Microsoft.App/environments. Empty: a network of the platform.')
param subnetId string = ''

resource environment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    vnetConfiguration: empty(subnetId) ? null : { infrastructureSubnetId: subnetId, internal: true }
    workloadProfiles: [ { name: 'Consumption', workloadProfileType: 'Consumption' } ]
  }
}

resource app 'Microsoft.App/containerApps@2026-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registry) ? [] : [ { server: registry, identity: identityId } ]
      secrets: map(secrets, s => { name: s.secret, keyVaultUrl: s.uri, identity: identityId })
    }
    template: {
      containers: [
        {
          name: 'sluice'
          image: image
          args: [ 'run', '--schedule', '--budget', '10m', '-o', 'json' ]
          env: concat(settings, map(secrets, s => { name: s.name, secretRef: s.secret }))
          resources: { cpu: json('0.25'), memory: '0.5Gi' }
        }
      ]
      scale: { minReplicas: replicas, maxReplicas: replicas }
    }
  }
}
