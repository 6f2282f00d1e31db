#!/usr/bin/env bash
# Delete everything that infra/deploy.sh deployed, including all visits:
#
#     infra/destroy.sh NAME
set -euo pipefail

name=${1:?usage: infra/destroy.sh NAME}
group=rg-$name

if ! command -v az >/dev/null; then
  echo "The Azure CLI is needed: https://learn.microsoft.com/cli/azure/install-azure-cli" >&2
  exit 1
fi
# Only a group with the tag of this environment: a mistyped name must not delete another one. An error, as of an expired
# sign-in, ends the script here.
found=$(az group list --tag "azd-env-name=$name" --query "[?name=='$group'].name" --output tsv)
if [[ $found != "$group" ]]; then
  echo "There is no resource group $group of the environment $name: nothing was deleted." >&2
  exit 1
fi

az resource list --resource-group "$group" --query '[].{type: type, name: name}' --output table
echo
read -r -p "Delete all of this, including every visit? This cannot be undone. Type $name to confirm: " answer
if [[ $answer != "$name" ]]; then
  echo "Nothing was deleted." >&2
  exit 1
fi

az group delete --name "$group" --yes
echo "Deleted: $group"
