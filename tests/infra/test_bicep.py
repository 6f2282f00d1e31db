"""The Bicep files, as far as they can be checked without Azure: syntax, references, hardening and role assignments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import REPOSITORY
from signin.counting.table import TABLE_NAME
from signin.website.site import CONTAINER

from .bicep import FILES, INFRA, Expression, Module, Resource, read

NAMES = [path.name for path in FILES]
MAIN = read("main.bicep")


def resources() -> Iterator[tuple[str, Resource]]:
    """Every resource that is deployed, by its file and symbolic name."""
    for name in NAMES:
        for symbol, resource in read(name).resources.items():
            if not resource.existing:
                yield f"{name}:{symbol}", resource


def of_type(kind: str) -> dict[str, Any]:
    """The body of the one resource of a type."""
    (resource,) = (resource for _, resource in resources() if resource.type == kind)
    return dict(resource.body)


@pytest.mark.parametrize("name", NAMES)
def test_file_has_no_syntax_error(name: str) -> None:
    assert read(name).syntax_errors == []


@pytest.mark.parametrize("name", NAMES)
def test_names_are_declared_and_used(name: str) -> None:
    file = read(name)
    declared = {*file.params, *file.variables, *file.resources, *file.modules}
    assert file.referred_to - declared == set(), "not declared"
    last = {*file.resources, *file.modules}  # they have an effect without being referenced
    assert declared - file.referred_to - last == set(), "not used"


@pytest.mark.parametrize(("symbol", "module"), MAIN.modules.items())
def test_module_gets_the_parameters_it_declares(symbol: str, module: Module) -> None:
    params = read(module.file).params
    needed = {name for name, has_default in params.items() if not has_default}
    assert needed <= module.params.keys() <= params.keys()


@pytest.mark.parametrize("path", sorted(path for path in MAIN.members if "outputs" in path))
def test_referenced_output_exists(path: tuple[str, ...]) -> None:
    symbol, _, output = path
    assert output in read(MAIN.modules[symbol].file).outputs


def test_every_file_is_used() -> None:
    assert {"main.bicep", *(module.file for module in MAIN.modules.values())} == set(NAMES)


def test_azd_passes_every_required_parameter() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    needed = {name for name, has_default in MAIN.params.items() if not has_default}
    assert needed <= given.keys() <= MAIN.params.keys()


def test_azd_has_the_defaults_of_the_template() -> None:
    text = (INFRA / "main.bicep").read_text()
    for name, parameter in json.loads((INFRA / "main.parameters.json").read_text())["parameters"].items():
        if "=" in parameter["value"]:
            default = parameter["value"].strip("${}").split("=")[1]
            assert f"param {name} string = '{default}'" in text, name


# The property names in the tests below are those of these versions.
VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30",
    "Microsoft.OperationalInsights/workspaces": "2025-07-01",
    "Microsoft.Resources/resourceGroups": "2024-03-01",
    "Microsoft.SignalRService/signalR": "2024-03-01",
    "Microsoft.Storage/storageAccounts": "2025-06-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2025-06-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2025-06-01",
    "Microsoft.Storage/storageAccounts/tableServices": "2025-06-01",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "2025-06-01",
    "Microsoft.Web/serverfarms": "2025-03-01",
    "Microsoft.Web/sites": "2025-03-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2025-03-01",
    "Microsoft.Web/sites/config": "2025-03-01",
}


def test_resource_type_has_one_api_version() -> None:
    everywhere = {(resource.type, resource.version) for name in NAMES for resource in read(name).resources.values()}
    assert everywhere == set(VERSIONS.items())


def test_storage_allows_no_keys_no_public_access_and_only_tls() -> None:
    assert of_type("Microsoft.Storage/storageAccounts")["properties"] == {
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    }
    assert of_type("Microsoft.Storage/storageAccounts/blobServices/containers")["properties"] == {
        "publicAccess": "None"
    }


def test_table_and_container_have_the_names_of_the_app() -> None:
    storage = MAIN.modules["storage"].params
    assert (storage["containers"], storage["tables"]) == ([CONTAINER], [TABLE_NAME])
    access = read("access.bicep").resources
    assert (access["content"].body["name"], access["visits"].body["name"]) == (CONTAINER, TABLE_NAME)


def test_signalr_is_serverless_and_allows_no_keys() -> None:
    properties = of_type("Microsoft.SignalRService/signalR")["properties"]
    assert properties["features"] == [{"flag": "ServiceMode", "value": "Serverless"}]
    assert properties["disableLocalAuth"] is True


def test_only_pages_of_the_app_and_of_named_origins_connect() -> None:
    """The app's address is Azure's own: with unique default host names it contains more than the app's name."""
    assert of_type("Microsoft.SignalRService/signalR")["properties"]["cors"] == {
        "allowedOrigins": Expression("allowedOrigins")
    }
    assert MAIN.modules["signalR"].params["allowedOrigins"] == (
        "contains(allowedOrigins, '*') ? ['*'] : union([app.outputs.url], allowedOrigins)"
    )
    assert "output url string = 'https://${app.properties.defaultHostName}'" in (INFRA / "app.bicep").read_text()


def test_front_end_adds_no_cors_headers_to_those_of_the_app() -> None:
    """It would also answer preflights, and to pages that the app refuses."""
    assert MAIN.modules["settings"].params["settings"]["AllowedOrigins"] == "join(allowedOrigins, ' ')"
    assert of_type("Microsoft.Web/sites")["properties"]["siteConfig"].keys() == {"minTlsVersion"}


@pytest.mark.parametrize("path", sorted(INFRA.iterdir()), ids=lambda path: path.name)
def test_file_assumes_no_host_name_of_azure(path: Path) -> None:
    """They differ with the cloud, and some contain a random part."""
    assert re.findall(r"azurewebsites\.|core\.windows\.|service\.signalr\.", path.read_text()) == []


def test_modules_wait_for_each_other_without_a_circle() -> None:
    waiting = {name: set(module.waits_for) for name, module in MAIN.modules.items()}
    order: list[str] = []
    while ready := sorted(name for name, needed in waiting.items() if needed <= set(order)):
        order += ready
        waiting = {name: needed for name, needed in waiting.items() if name not in ready}
    assert not waiting, "a circle"
    assert order.index("access") < order.index("app") < order.index("signalR") < order.index("settings")


def test_app_allows_only_https_and_no_passwords() -> None:
    assert of_type("Microsoft.Web/sites")["properties"]["httpsOnly"] is True
    policies = [resource.body for _, resource in resources() if resource.type.endswith("CredentialsPolicies")]
    assert policies == [{"name": name, "properties": {"allow": False}} for name in ("ftp", "scm")]


def test_app_can_get_a_certificate_of_its_own() -> None:
    assert of_type("Microsoft.Web/sites")["properties"]["siteScopedCertificatesEnabled"] is True


def test_azd_offers_only_regions_with_flex_consumption() -> None:
    """azd reads both decorators; without the first it would not know that this parameter is a region."""
    assert MAIN.metadata == {"location": {"azd": {"type": "location"}}}
    regions = MAIN.allowed["location"]
    assert {"westeurope", "eastus2"} <= set(regions)
    assert "westindia" not in regions
    assert regions == sorted(set(regions))


def test_app_and_its_deployment_use_one_identity() -> None:
    site = of_type("Microsoft.Web/sites")
    assert site["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {"${identityId}": {}}}
    deployment = site["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert deployment["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": Expression("identityId"),
    }
    (container,) = MAIN.modules["hostStorage"].params["containers"]
    assert MAIN.modules["app"].params["packagesUrl"].endswith(f"/{container}'")


def test_pipeline_keeps_parameters_with_defaults() -> None:
    """azd does not set these in the pipeline by itself; without them, each push would restore the defaults."""
    chosen = set(re.findall(r"\$\{(\w+)=", (INFRA / "main.parameters.json").read_text()))
    assert f"\npipeline:\n  variables: [{', '.join(sorted(chosen))}]\n" in (REPOSITORY / "azure.yaml").read_text()
    workflow = (REPOSITORY / ".github/workflows/azure-dev.yml").read_text()
    assert {f"{name}: ${{{{ vars.{name} }}}}" for name in chosen} <= {line.strip() for line in workflow.splitlines()}


def test_app_has_the_tag_that_azd_looks_for() -> None:
    service = "app"
    assert f"\n  {service}:\n    project: .\n" in (REPOSITORY / "azure.yaml").read_text()
    assert f"{{ 'azd-service-name': '{service}' }}" in of_type("Microsoft.Web/sites")["tags"]


def test_application_insights_requires_an_identity() -> None:
    assert of_type("Microsoft.Insights/components")["properties"]["DisableLocalAuth"] is True


def test_every_allowed_python_is_tested_in_ci() -> None:
    workflow = (REPOSITORY / ".github/workflows/test.yml").read_text()
    assert f"python: {json.dumps(MAIN.allowed['pythonVersion'])}" in workflow


# Built-in roles with their ids, which are the same in every tenant.
ROLES = {
    "MonitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "SignalRRestApiOwner": "fd53cd77-2268-407a-8f46-7e7863d0f521",
    "StorageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "StorageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "StorageBlobDataReader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "StorageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}

# All role assignments: principal, role, scope.
GRANTS = {
    ("appPrincipalId", "StorageBlobDataOwner", "hostStorage"),
    ("appPrincipalId", "StorageTableDataContributor", "hostStorage"),
    ("appPrincipalId", "StorageTableDataContributor", "storage::tableService::visits"),
    ("appPrincipalId", "StorageBlobDataReader", "storage::blobService::content"),
    ("appPrincipalId", "SignalRRestApiOwner", "signalR"),
    ("appPrincipalId", "MonitoringMetricsPublisher", "applicationInsights"),
    ("publisherPrincipalId", "StorageBlobDataContributor", "storage::blobService::content"),
}


def assignments() -> list[Resource]:
    return [resource for _, resource in resources() if resource.type == "Microsoft.Authorization/roleAssignments"]


def test_roles_have_the_ids_of_azure() -> None:
    assert json.loads((INFRA / "roles.json").read_text()) == ROLES


def test_only_these_roles_are_assigned() -> None:
    granted = {
        (
            str(assignment.body["properties"]["principalId"]),
            assignment.body["properties"]["roleDefinitionId"].rpartition("roles.")[2].rstrip(")"),
            str(assignment.body["scope"]),
        )
        for assignment in assignments()
    }
    assert granted == GRANTS
    assert len(assignments()) == len(GRANTS)


def test_assignment_name_is_unique_and_stable() -> None:
    """The name must stay the same with each deployment, and differ from all others."""
    for assignment in assignments():
        who, role = (str(assignment.body["properties"][name]) for name in ("principalId", "roleDefinitionId"))
        role_id = role.rpartition(", ")[2].rstrip(")")
        assert assignment.body["name"] == f"guid({assignment.body['scope']}.id, {who}, {role_id})"


def test_host_does_not_own_the_account_of_the_visits() -> None:
    names = [MAIN.modules[symbol].params["name"] for symbol in ("storage", "hostStorage")]
    assert len(set(names)) == 2


@pytest.mark.parametrize("name", [*NAMES, "main.parameters.json"])
def test_file_contains_no_secret(name: str) -> None:
    text = Path(INFRA / name).read_text()
    assert [word for word in ("listKeys", "AccountKey", "AccessKey", "@secure") if word in text] == []
