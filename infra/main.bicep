// All resources of one environment. `azd up` and infra/deploy.sh both deploy this file. No resource accepts a key: all
// access is by identities with roles (see access.bicep and signalr.bicep).
targetScope = 'subscription'

@description('Name of the environment. The names of the resource group and of all resources are derived from it.')
@minLength(2)
@maxLength(40)
param environmentName string

// The regions with Flex Consumption in November 2026, for azd, which offers only these. A later one may be added:
// `az functionapp list-flexconsumption-locations` lists those of today.
@description('Azure region of all resources.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({ azd: { type: 'location' } })
param location string

@description('Object id of the user or identity that publishes the content. Empty: the role is not assigned.')
param principalId string = ''

@description('Free_F1 holds 20 connections; a unit of Standard_S1 holds 1,000.')
@allowed(['Free_F1', 'Standard_S1'])
param signalRSku string = 'Free_F1'

@description('Units of SignalR Service; Free_F1 has one.')
@allowed([1, 2, 5, 10, 20, 50, 100])
param signalRUnits int = 1

@description('Origins of other pages that may show the count, as browsers send them, e.g. https://www.example.com; * alone for all.')
param allowedOrigins array = []

@description('Redundancy of visits and content: three copies in one data centre, or in three zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_LRS'

@description('Python version of the app.')
@allowed(['3.11', '3.12', '3.13', '3.14'])
param pythonVersion string = '3.12'

// A table partition takes some 2,000 rows a second, an account ten times that (docs/operations.md).
@description('Maximum number of instances of the app, roughly: a burst may exceed it.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 10

@description('Number of instances that are always ready. Each is billed around the clock.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int = 0

@description('Memory of an instance in MB. Its share of a processor depends on it.')
@allowed([512, 2048, 4096])
param instanceMemory int = 2048

// The default for Python is one request at a time: then no two visits could share a transaction.
@description('Concurrent requests of an instance, before another instance is added.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 100

@description('Seconds between broadcasts, 0.1 to 3600.')
param broadcastIntervalSeconds string = '1'

@description('The most broadcasts of a day (UTC), 1000 to 1000000. Empty: no limit.')
param maximumBroadcastsPerDay string = ''

@description('Seconds within which each visible page reports that it is open, 30 to 3600. 0: open pages are not counted.')
param hereSeconds string = '300'

@description('Content-Security-Policy of the pages. Empty: the app\'s own; none: no policy.')
param contentSecurityPolicy string = ''

@description('MB of the largest file that is served whole, 4 to 1000.')
param maxFileMB string = '100'

@description('Title of the page, e.g. Our event. Empty: that of the published page.')
param title string = ''

@description('Folders with a counter of their own, e.g. keynote=Opening keynote; hall-a=Hall A.')
param rooms string = ''

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var siteName = 'signin-${token}'

resource resourceGroup 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: resourceGroup
  params: {
    name: 'id-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: resourceGroup
  params: {
    name: 'log-${token}'
    location: location
    tags: tags
  }
}

// Two accounts: the Functions host must own the account of its own data, and must not own that of the visits.
module hostStorage 'storage.bicep' = {
  name: 'host-storage'
  scope: resourceGroup
  params: {
    name: 'sthost${token}'
    location: location
    tags: tags
    containers: ['packages']
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: resourceGroup
  params: {
    name: 'stdata${token}'
    location: location
    tags: tags
    sku: storageSku
    containers: ['content']
    tables: ['SignInInfo']
  }
}

module access 'access.bicep' = {
  name: 'access'
  scope: resourceGroup
  params: {
    appPrincipalId: identity.outputs.principalId
    publisherPrincipalId: principalId
    hostStorageName: hostStorage.outputs.name
    storageName: storage.outputs.name
    applicationInsightsName: monitoring.outputs.name
  }
}

module app 'app.bicep' = {
  name: 'app'
  scope: resourceGroup
  dependsOn: [access] // the app stores packages as soon as it exists, and roles take time to take effect
  params: {
    name: siteName
    location: location
    tags: tags
    identityId: identity.outputs.id
    pythonVersion: pythonVersion
    maximumInstances: maximumInstances
    alwaysReadyInstances: alwaysReadyInstances
    instanceMemory: instanceMemory
    perInstanceConcurrency: perInstanceConcurrency
    packagesUrl: '${hostStorage.outputs.blobUrl}/packages'
  }
}

module signalR 'signalr.bicep' = {
  name: 'signalr'
  scope: resourceGroup
  params: {
    name: 'signalr-${token}'
    location: location
    tags: tags
    sku: signalRSku
    units: signalRUnits
    allowedOrigins: contains(allowedOrigins, '*') ? ['*'] : union([app.outputs.url], allowedOrigins)
    appPrincipalId: identity.outputs.principalId
  }
}

// A module of its own: the settings contain SignalR's address, and SignalR's configuration contains the app's.
module settings 'settings.bicep' = {
  name: 'settings'
  scope: resourceGroup
  params: {
    appName: app.outputs.name
    settings: {
      // Settings of the app: docs/settings.md.
      TableConnectionString__tableServiceUri: storage.outputs.tableUrl
      TableConnectionString__credential: 'managedidentity'
      TableConnectionString__clientId: identity.outputs.clientId
      BlobHost: storage.outputs.blobUrl
      BlobHost__credential: 'managedidentity'
      BlobHost__clientId: identity.outputs.clientId
      AzureSignalRConnectionString: 'Endpoint=https://${signalR.outputs.hostName};AuthType=azure.msi;ClientId=${identity.outputs.clientId};Version=1.0;'
      BroadcastIntervalSeconds: broadcastIntervalSeconds
      MaximumBroadcastsPerDay: maximumBroadcastsPerDay
      HereSeconds: hereSeconds
      ContentSecurityPolicy: contentSecurityPolicy
      MaxFileMB: maxFileMB
      Title: title
      Rooms: rooms
      AllowedOrigins: join(allowedOrigins, ' ')
      // Settings of the Functions host. It needs the name of its account besides the URL: at its start some of its parts
      // look for the name only (Azure/azure-functions-host #11782, #11787).
      AzureWebJobsStorage__accountName: hostStorage.outputs.name
      AzureWebJobsStorage__blobServiceUri: hostStorage.outputs.blobUrl
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.outputs.clientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identity.outputs.clientId}'
    }
  }
}

// azd stores these as variables of its environment; azure.yaml and deploy.sh read them. They are in lower case, since
// Azure changes the case of names in capitals (apP_URL).
output resourceGroupName string = resourceGroup.name
output appName string = app.outputs.name
output appUrl string = app.outputs.url
output blobUrl string = storage.outputs.blobUrl
