#!/usr/bin/env bash
# Delete what infra/deploy.sh has deployed, and every visit with it:
#
#     infra/destroy.sh NAME
set -euo pipefail

name=${1:?usage: infra/destroy.sh NAME}
group=rg-$name

if ! command -v az >/dev/null; then
  echo "The Azure CLI is needed: https://learn.microsoft.com/cli/azure/install-azure-cli" >&2
  exit 1
fi
# Only a group that was made as this environment: a name mistyped must not hit somebody else's.
if [[ $(az group show --name "$group" --query 'tags."azd-env-name"' --output tsv) != "$name" ]]; then
  echo "There is no resource group $group of the environment $name: nothing was deleted." >&2
  exit 1
fi

az resource list --resource-group "$group" --query '[].{type: type, name: name}' --output table
echo
read -r -p "Delete all this, every visit included? There is no way back. Type $name to go on: " answer
if [[ $answer != "$name" ]]; then
  echo "Nothing was deleted." >&2
  exit 1
fi

az group delete --name "$group" --yes
echo "Deleted: $group"
