"""`python3 dev.py publish` to an account in Azure, by an identity or a connection string."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from local import REPOSITORY
from local.emulators.azurite import Account, Azurite
from local.progress import StepFailed
from local.publishing import azure
from local.publishing.publisher import assets
from signin.website.site import CONTAINER
from tests.support import TEST_TIMEOUT
from tests.support.https_storage import certificate
from tests.support.local_environment import copy_repository

from .azure_login import signed_in
from .tools import environment

SITE = "https://app.example"


def publish(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", "publish", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TEST_TIMEOUT,
    )


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.fixture
def private_account(tmp_path: Path, tls: Path) -> Iterator[Account]:
    """A storage account that is served over https and accepts tokens."""
    azurite = Azurite(tmp_path / "azurite", certificate=tls)
    try:
        yield azurite.account()
    finally:
        azurite.stop()


@pytest.mark.parametrize("program", ["az", "azd"])
def test_signed_in_user_publishes_to_a_private_container(
    private_account: Account, tls: Path, tmp_path: Path, program: str
) -> None:
    environment = signed_in(tmp_path, program) | {"REQUESTS_CA_BUNDLE": str(tls)}
    result = publish("--blob-url", private_account.blob_url, "--site", SITE, environment=environment)
    assert result.returncode == 0, result.stderr
    names = {asset.name for asset in assets()}
    assert {f"Published {name}" for name in names} <= set(result.stdout.splitlines())
    anonymous = requests.get(f"{private_account.blob_url}/{CONTAINER}/index.html", verify=str(tls), timeout=10)
    assert anonymous.status_code in (401, 403, 404), "the container is public"
    with ContainerClient.from_connection_string(
        private_account.connection_string, CONTAINER, connection_verify=str(tls)
    ) as container:
        assert f'content="{SITE}/' in container.download_blob("index.html", encoding="utf-8").readall()

    again = publish("--blob-url", private_account.blob_url, "--site", SITE, environment=environment)
    assert again.returncode == 0, again.stderr
    assert "Published" not in again.stdout


def test_connection_string_publishes_to_its_account(account: Account) -> None:
    result = publish(environment={azure.CONNECTION_STRING: account.connection_string})
    assert result.returncode == 0, result.stderr
    with ContainerClient.from_connection_string(account.connection_string, CONTAINER) as container:
        assert set(container.list_blob_names()) == {asset.name for asset in assets()}


def test_publish_and_package_need_only_their_own_packages(account: Account, tmp_path: Path) -> None:
    """In a copy without node_modules, with an interpreter that has the packages of requirements-publish.txt."""
    repository = copy_repository(tmp_path)
    for modules in ("node_modules", "local/emulators/node_modules"):
        (repository / modules).unlink(missing_ok=True)
    for name in (".npmrc", "package.json", "requirements.txt"):
        shutil.copy(REPOSITORY / name, repository)
    python = environment(REPOSITORY / "requirements.txt", REPOSITORY / "requirements-publish.txt") / "python"

    def run(*arguments: str) -> str:
        result = subprocess.run(
            [python, "-m", "local", *arguments],
            cwd=repository,
            env=os.environ | {azure.CONNECTION_STRING: account.connection_string},
            capture_output=True,
            text=True,
            timeout=TEST_TIMEOUT,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    prepared = run("publish", "--prepare")
    assert ["Browser libraries" in prepared, "Bundles" in prepared, "Published" in prepared] == [True, True, False]
    assert not (repository / "node_modules/eslint").exists()
    assert not (repository / "local/emulators/node_modules/azurite").exists()
    with ContainerClient.from_connection_string(account.connection_string, CONTAINER) as container:
        assert not container.exists()
    published = run("publish")
    assert "Browser libraries" not in published, "they were installed before"
    assert published.count("Published") == len(assets())
    run("package")
    assert (repository / ".local/app.zip").exists()


def error_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command writes to standard error."""
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    return line


def test_missing_url_names_the_option() -> None:
    assert "Give --blob-url" in error_line(publish(environment={azure.CONNECTION_STRING: ""}))


def test_missing_sign_in_names_the_command(tmp_path: Path) -> None:
    environment = signed_in(tmp_path, "az")
    (tmp_path / "bin/az").write_text("#!/bin/sh\necho 'Please run: az login' >&2\nexit 1\n")
    assert "`az login`" in error_line(publish("--blob-url", "https://account.invalid", environment=environment))


def test_unknown_kind_of_credential_is_named() -> None:
    environment = {"AZURE_TOKEN_CREDENTIALS": "NoSuchCredential"}
    assert "AZURE_TOKEN_CREDENTIALS" in error_line(publish("--blob-url", "https://a.invalid", environment=environment))


def test_sign_in_of_another_issuer_is_reported(private_account: Account, tls: Path, tmp_path: Path) -> None:
    environment = signed_in(tmp_path, "az", issuer="https://elsewhere.example/") | {"REQUESTS_CA_BUNDLE": str(tls)}
    result = publish("--blob-url", private_account.blob_url, environment=environment)
    assert "does not accept the sign-in" in error_line(result)


def test_malformed_connection_string_is_not_repeated() -> None:
    line = error_line(publish(environment={azure.CONNECTION_STRING: "AccountName=account;AccountKey=secret"}))
    assert azure.CONNECTION_STRING in line
    assert "secret" not in line


def test_unreachable_account_is_reported(tmp_path: Path) -> None:
    result = publish("--blob-url", "https://127.0.0.1:9/account", environment=signed_in(tmp_path, "az"))
    assert "is the address right?" in error_line(result)


@pytest.mark.parametrize("url", ["http://account.blob.core.windows.net", "account", "https://account/content/x"])
def test_url_that_must_get_no_token_is_rejected(url: str) -> None:
    result = publish("--blob-url", url, environment={})
    assert result.returncode == 2
    assert "is not like https://" in result.stderr


class Rejections:
    """A storage account that rejects a number of requests before it accepts one."""

    def __init__(self, code: str, times: int) -> None:
        self.code, self.times = code, times
        self.requests = 0

    def __call__(self, blob_url: str | None, site: str) -> Rejections:
        self.requests += 1
        if self.requests <= self.times:
            error = HttpResponseError(response=SimpleNamespace(status_code=403, reason="Forbidden"))
            error.error_code = self.code  # type: ignore[attr-defined]
            raise error
        return self

    def publish(self) -> list[str]:
        return ["index.html"]

    def close(self) -> None:
        pass


def test_publish_waits_for_a_new_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_publisher", rejections := Rejections("AuthorizationPermissionMismatch", times=3))
    pauses: list[float] = []
    notes: list[str] = []
    assert azure.publish("https://account", "", notes.append, pauses.append) == ["index.html"]
    assert rejections.requests == 4
    assert len(pauses) == 3
    assert notes == ["waiting for the role to take effect, up to 30 minutes"]


def test_wait_for_a_role_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_publisher", Rejections("AuthorizationPermissionMismatch", times=10**9))
    clock = 0.0

    def sleep(seconds: float) -> None:
        nonlocal clock
        clock += seconds

    monkeypatch.setattr("local.publishing.azure.time.monotonic", lambda: clock)
    with pytest.raises(StepFailed, match="Storage Blob Data Contributor"):
        azure.publish("https://account", "", lambda _: None, sleep)
    assert clock / 60 == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize(
    ("code", "words"), [("PublicAccessNotPermitted", "give --blob-url"), ("AccountIsDisabled", "403 AccountIsDisabled")]
)
def test_permanent_error_is_reported_at_once(monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    monkeypatch.setattr(azure, "_publisher", rejections := Rejections(code, times=1))
    with pytest.raises(StepFailed, match=words):
        azure.publish("https://account", "", lambda _: None, lambda _: None)
    assert rejections.requests == 1
