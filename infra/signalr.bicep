// SignalR Service in serverless mode: pages connect to it, the app sends by its REST API.
param name string
param location string
param tags object

@allowed(['Free_F1', 'Standard_S1'])
param sku string
param units int
param allowedOrigins array
param appPrincipalId string

var roles = loadJsonContent('roles.json')

resource signalR 'Microsoft.SignalRService/signalR@2024-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'SignalR'
  sku: { name: sku, capacity: units }
  properties: {
    features: [{ flag: 'ServiceMode', value: 'Serverless' }]
    cors: { allowedOrigins: allowedOrigins }
    disableLocalAuth: true // no access keys
  }
}

// Broadcasts, and the tokens with which pages connect.
resource appSendsBySignalR 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: signalR
  name: guid(signalR.id, appPrincipalId, roles.SignalRRestApiOwner)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.SignalRRestApiOwner)
  }
}

output hostName string = signalR.properties.hostName
