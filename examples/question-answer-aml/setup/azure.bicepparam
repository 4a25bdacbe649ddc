// What azure.bicep is deployed with. Names are read from where the project has them, so they agree:
// fill in azure.workspace in project.yaml first.
using './azure.bicep'

var project = loadYamlContent('../project.yaml')
var job = loadYamlContent('../fine-tuning/job.yml')

param workspaceName = project.azure.workspace
param computeName = replace(job.compute, 'azureml:', '')
param maxNodes = job.resources.instance_count
param vmSize = 'Standard_NC24ads_A100_v4'
// Spare nodes cost less and may be removed; the job then begins again.
param spot = false
