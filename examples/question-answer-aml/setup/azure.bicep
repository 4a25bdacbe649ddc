// What this project's jobs need in Azure: a workspace, a compute cluster that costs nothing while it is idle, a vault
// for the hub's token, and the roles. Once, by somebody who may assign roles in the resource group:
//
//   az group create --name GROUP --location REGION
//   az deployment group what-if --resource-group GROUP --parameters setup/azure.bicepparam
//   az deployment group create --resource-group GROUP --parameters setup/azure.bicepparam
//
// No key, secret or connection string is a parameter, an output or in this file. The registry of the
// images is left to Azure ML, which makes one when it builds the first.
targetScope = 'resourceGroup'

@description('The workspace: azure.workspace of project.yaml.')
@minLength(3)
@maxLength(33)
param workspaceName string

@description('The compute: `compute` of fine-tuning/job.yml, without azureml:.')
@minLength(2)
@maxLength(32)
param computeName string

@description('The size of a node. Your quota for its family has to allow it: az vm list-usage --location REGION.')
param vmSize string

@description('Nodes at most: resources.instance_count of fine-tuning/job.yml, or more.')
@minValue(1)
param maxNodes int = 1

@description('Spare nodes at a lower price, which may be removed in the middle of a job.')
param spot bool = false

@description('Who submits the jobs, as an object id; whoever deploys this, where it is not given.')
param submitter string = deployer().objectId

@description('Where all of it is.')
param location string = resourceGroup().location

// Azure's built-in roles (az role definition list --name 'AzureML Data Scientist').
var dataScientist = 'f6c7c914-8db3-469d-8ca1-694a8f32e121' // AzureML Data Scientist
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7' // Key Vault Secrets Officer
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor

var unique = uniqueString(resourceGroup().id, workspaceName)

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'st${unique}'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  properties: {
    allowBlobPublicAccess: false
    supportsHttpsTrafficOnly: true
    minimumTlsVersion: 'TLS1_2'
  }
}

// Roles decide who reads a secret; there are no access policies. The hub's token goes into it with
//   az keyvault secret set --vault-name VAULT --name hf-token --file TOKEN_FILE
// and its name into azure.hf_token_secret of project.yaml.
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'kv-${unique}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${workspaceName}-logs'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${workspaceName}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' = {
  name: workspaceName
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  properties: {
    friendlyName: workspaceName
    storageAccount: storage.id
    keyVault: vault.id
    applicationInsights: insights.id
    publicNetworkAccess: 'Enabled'
  }
}

resource compute 'Microsoft.MachineLearningServices/workspaces/computes@2024-10-01' = {
  parent: workspace
  name: computeName
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    computeType: 'AmlCompute'
    disableLocalAuth: true
    properties: {
      osType: 'Linux'
      vmSize: vmSize
      vmPriority: spot ? 'LowPriority' : 'Dedicated'
      remoteLoginPortPublicAccess: 'Disabled'
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: maxNodes
        nodeIdleTimeBeforeScaleDown: 'PT5M'
      }
    }
  }
}

// The job, which is the compute's identity: it reads rows, writes results, reads the hub's token.
resource jobReadsAndWritesBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, compute.id, blobContributor)
  scope: storage
  properties: {
    principalId: compute.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

resource jobReadsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, compute.id, secretsUser)
  scope: vault
  properties: {
    principalId: compute.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

// The person: submits jobs, uploads rows and fetches results, puts the hub's token into the vault.
resource personSubmits 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, submitter, dataScientist)
  scope: workspace
  properties: {
    principalId: submitter
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataScientist)
  }
}

resource personReadsAndWritesBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, submitter, blobContributor)
  scope: storage
  properties: {
    principalId: submitter
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

resource personWritesSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, submitter, secretsOfficer)
  scope: vault
  properties: {
    principalId: submitter
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
  }
}

output workspaceName string = workspace.name
output computeName string = compute.name
output vaultName string = vault.name
