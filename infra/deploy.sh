#!/usr/bin/env bash
# Deploy the app to Azure with nothing but the Azure CLI and Python:
#
#     infra/deploy.sh NAME REGION [PARAMETER=VALUE ...]
#
# NAME is the name of the environment, with the resource group rg-NAME; PARAMETER is one of infra/main.bicep. Existing
# resources are updated: run it again after every change.
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: infra/deploy.sh NAME REGION [PARAMETER=VALUE ...], e.g. infra/deploy.sh signin-demo westeurope"
name=${1:?$usage}
region=${2:?$usage}
shift 2

# Report all problems together, before the first step.
problems=()
[[ $name =~ ^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$ ]] ||
  problems+=("NAME must be 2 to 40 lower-case letters, digits and hyphens, not '$name'.")
[[ $region =~ ^[a-z0-9]+$ ]] ||
  problems+=("REGION must be a name such as westeurope, not '$region': az account list-locations --output table")
for parameter in "$@"; do
  [[ $parameter =~ ^[A-Za-z]+= ]] || problems+=("'$parameter' is not of the form PARAMETER=VALUE.")
  [[ ! $parameter =~ ^(environmentName|location|principalId)= ]] ||
    problems+=("${parameter%%=*} follows from NAME, REGION and the sign-in: leave it out.")
done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  problems+=("Python 3.11 or newer is needed as python3.")
if ! command -v az >/dev/null; then
  problems+=("The Azure CLI is needed: https://learn.microsoft.com/cli/azure/install-azure-cli")
elif ! subscription=$(az account show --query name --output tsv 2>/dev/null); then
  problems+=("Not signed in to Azure: run az login")
elif ! token=$(az account get-access-token --query accessToken --output tsv); then # `account show` asks no server
  problems+=("The sign-in to Azure is no longer valid: run az login")
elif ((!${#problems[@]})); then
  regions=$(az functionapp list-flexconsumption-locations --query "[?name=='$region'].name" --output tsv)
  [[ $regions ]] ||
    problems+=("$region has no Flex Consumption: az functionapp list-flexconsumption-locations --output table")
  elsewhere=$(az group list --query "[?name=='rg-$name' && location!='$region'].location" --output tsv)
  [[ -z $elsewhere ]] ||
    problems+=("$name exists in $elsewhere: deploy it there, choose another NAME, or first run infra/destroy.sh $name")
fi
if ((${#problems[@]})); then
  printf '%s\n' "${problems[@]}" >&2
  exit 1
fi

# The signed-in user or service principal gets the role that publishes the content. Its object id is the claim `oid` of
# a token: to look it up, the service principal of a pipeline would need a permission to read the directory.
principal=$(python3 -c '
import base64, json
claims = input().split(".")[1]
print(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["oid"])
' <<<"$token")

echo "Preparing the content and the app ..."
python3 dev.py publish --prepare
python3 dev.py package --output .local/app.zip

echo "Deploying infra/main.bicep as $name to $region, subscription $subscription ..."
outputs=$(az deployment sub create \
  --name "$name-$region" \
  --location "$region" \
  --template-file infra/main.bicep \
  --parameters environmentName="$name" location="$region" principalId="$principal" "$@" \
  --query 'properties.outputs.[resourceGroupName.value, appName.value, appUrl.value, blobUrl.value]' \
  --output tsv)
read -r group app app_url blob_url <<<"$(tr '\n' ' ' <<<"$outputs")"

echo "Publishing the content to $blob_url ..."
AZURE_TOKEN_CREDENTIALS=AzureCliCredential python3 dev.py publish --blob-url "$blob_url" --site "$app_url"

echo "Deploying the app to $app ..."
infra/retry.sh az functionapp deployment source config-zip \
  --resource-group "$group" \
  --name "$app" \
  --src .local/app.zip \
  --build-remote true \
  --output none

python3 dev.py wait --site "$app_url"

printf '\nDeployed: %s/\n' "$app_url"
