// What watches Sluice in Microsoft Sentinel: alert rules over its health, and a
// workbook for lag, volume, errors and cost.

import { resourceTags } from '../types.bicep'

@description('Name of the workspace, in this resource group.')
param workspace string

@description('Region of the workspace.')
param location string

@description('Tags for what is made.')
param tags resourceTags

resource sentinel 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspace
}

// How the alerts of a rule become incidents: one for all of a day.
var incidents = {
  createIncident: true
  groupingConfiguration: { enabled: true, reopenClosedIncident: false, lookbackDuration: 'P1D', matchingMethod: 'AnyAlert' }
}

resource silent 'Microsoft.SecurityInsights/alertRules@2025-09-01' = {
  scope: sentinel
  name: guid(sentinel.id, 'sluice-silent')
  kind: 'Scheduled'
  properties: {
    displayName: 'Sluice: a stream is silent'
    description: 'No heartbeat in three intervals: the function app is stopped, cannot start, or cannot send. Run sluice doctor. One that was switched off on purpose is named for a week.'
    severity: 'High'
    enabled: true
    query: loadTextContent('silent.kql')
    queryFrequency: 'PT1H'
    queryPeriod: 'P7D'
    triggerOperator: 'GreaterThan'
    triggerThreshold: 0
    suppressionEnabled: false
    suppressionDuration: 'PT5H'
    tactics: [ 'DefenseEvasion' ]
    customDetails: { Connection: 'SluiceConnection', Stream: 'Stream' }
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    incidentConfiguration: incidents
  }
}

resource backlog 'Microsoft.SecurityInsights/alertRules@2025-09-01' = {
  scope: sentinel
  name: guid(sentinel.id, 'sluice-backlog')
  kind: 'Scheduled'
  properties: {
    displayName: 'Sluice: a stream falls behind'
    description: 'Its backlog is more than an hour and grows. The reason tells whether the provider throttles, fails, or has more than a run can take.'
    severity: 'Medium'
    enabled: true
    query: loadTextContent('backlog.kql')
    queryFrequency: 'PT1H'
    queryPeriod: 'PT6H'
    triggerOperator: 'GreaterThan'
    triggerThreshold: 0
    suppressionEnabled: false
    suppressionDuration: 'PT5H'
    customDetails: { Connection: 'SluiceConnection', Stream: 'Stream', Reason: 'Reason' }
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    incidentConfiguration: incidents
  }
}

resource quarantine 'Microsoft.SecurityInsights/alertRules@2025-09-01' = {
  scope: sentinel
  name: guid(sentinel.id, 'sluice-quarantine')
  kind: 'Scheduled'
  properties: {
    displayName: 'Sluice: records in quarantine'
    description: 'Records that could not be delivered are kept. See them with sluice quarantine list, send them with sluice quarantine replay.'
    severity: 'Low'
    enabled: true
    query: loadTextContent('quarantine.kql')
    queryFrequency: 'PT1H'
    queryPeriod: 'PT1H'
    triggerOperator: 'GreaterThan'
    triggerThreshold: 0
    suppressionEnabled: false
    suppressionDuration: 'PT5H'
    customDetails: { Connection: 'SluiceConnection', Stream: 'Stream' }
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    incidentConfiguration: incidents
  }
}

resource stalled 'Microsoft.SecurityInsights/alertRules@2025-09-01' = {
  scope: sentinel
  name: guid(sentinel.id, 'sluice-stalled')
  kind: 'Scheduled'
  properties: {
    displayName: 'Sluice: a stream makes no progress'
    description: 'Two runs or more brought nothing further, or a connection cannot run as configured. The message says what to do: most often a credential or a role.'
    severity: 'High'
    enabled: true
    query: loadTextContent('stalled.kql')
    queryFrequency: 'PT1H'
    queryPeriod: 'P1D'
    triggerOperator: 'GreaterThan'
    triggerThreshold: 0
    suppressionEnabled: false
    suppressionDuration: 'PT5H'
    tactics: [ 'DefenseEvasion' ]
    customDetails: { Connection: 'SluiceConnection', Stream: 'Stream', Reason: 'Reason' }
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    incidentConfiguration: incidents
  }
}

resource lost 'Microsoft.SecurityInsights/alertRules@2025-09-01' = {
  scope: sentinel
  name: guid(sentinel.id, 'sluice-lost')
  kind: 'Scheduled'
  properties: {
    displayName: 'Sluice: records may be lost'
    description: 'A stream was behind for longer than the provider keeps its records, and went on with the oldest there are. The message says from when to when.'
    severity: 'High'
    enabled: true
    query: loadTextContent('lost.kql')
    queryFrequency: 'PT1H'
    queryPeriod: 'PT1H'
    triggerOperator: 'GreaterThan'
    triggerThreshold: 0
    suppressionEnabled: false
    suppressionDuration: 'PT5H'
    tactics: [ 'DefenseEvasion' ]
    customDetails: { Connection: 'SluiceConnection', Stream: 'Stream' }
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    incidentConfiguration: incidents
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(sentinel.id, 'sluice-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Sluice'
    category: 'sentinel'
    sourceId: sentinel.id
    version: '1.0'
    serializedData: loadTextContent('workbook.json')
  }
}
