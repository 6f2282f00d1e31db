// The role assignments but that on SignalR (see signalr.bicep), each with the narrowest scope that works.
param appPrincipalId string
param publisherPrincipalId string
param hostStorageName string
param storageName string
param applicationInsightsName string

var roles = loadJsonContent('roles.json')

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostStorageName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobService 'blobServices' existing = {
    name: 'default'

    resource content 'containers' existing = {
      name: 'content'
    }
  }

  resource tableService 'tableServices' existing = {
    name: 'default'

    resource visits 'tables' existing = {
      name: 'SignInInfo'
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// The Functions host keeps its locks, its keys and the deployed package there.
resource appOwnsHostStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.StorageBlobDataOwner)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.StorageBlobDataOwner)
  }
}

// The host writes diagnostic events into a table of its own account.
resource appWritesHostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.StorageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.StorageTableDataContributor)
  }
}

resource appWritesVisits 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage::tableService::visits
  name: guid(storage::tableService::visits.id, appPrincipalId, roles.StorageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.StorageTableDataContributor)
  }
}

resource appReadsContent 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage::blobService::content
  name: guid(storage::blobService::content.id, appPrincipalId, roles.StorageBlobDataReader)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.StorageBlobDataReader)
  }
}

resource appLogs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: applicationInsights
  name: guid(applicationInsights.id, appPrincipalId, roles.MonitoringMetricsPublisher)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.MonitoringMetricsPublisher)
  }
}

// A user, or the identity of a pipeline: Azure finds out the type if it is left out.
resource publisherWritesContent 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(publisherPrincipalId)) {
  scope: storage::blobService::content
  name: guid(storage::blobService::content.id, publisherPrincipalId, roles.StorageBlobDataContributor)
  properties: {
    principalId: publisherPrincipalId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.StorageBlobDataContributor)
  }
}
