// A storage account without keys and without anonymous access, reached only by TLS.
param name string
param location string
param tags object

@allowed(['Standard_LRS', 'Standard_ZRS'])
param sku string = 'Standard_LRS'

param containers array = []
param tables array = []

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }

  resource blobService 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 } // a week to restore overwritten or deleted blobs
    }
  }

  resource tableService 'tableServices' = {
    name: 'default'
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for container in containers: {
    parent: account::blobService
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource accountTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [
  for table in tables: {
    parent: account::tableService
    name: table
  }
]

output name string = account.name
output blobUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}'
output tableUrl string = 'https://${account.name}.table.${environment().suffixes.storage}'
