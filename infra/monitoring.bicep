// Application Insights, on a workspace with a limit: what is logged is billed by its size.
param name string
param location string
param tags object

@description('GB a day; what is beyond is not recorded.')
param dailyQuota int = 1

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30 // nothing to pay for
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
    DisableLocalAuth: true // the connection string tells where, it does not let anybody in
  }
}

output name string = applicationInsights.name
output connectionString string = applicationInsights.properties.ConnectionString
