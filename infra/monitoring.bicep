// Application Insights, with a daily limit: logs are billed by size.
param name string
param location string
param tags object

@description('GB a day. Logs beyond it are dropped.')
param dailyQuota int = 1

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30 // included in the price
    workspaceCapping: { dailyQuotaGb: dailyQuota }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true // the connection string alone grants no access
  }
}

output name string = applicationInsights.name
output connectionString string = applicationInsights.properties.ConnectionString
