"""`python3 dev.py publish`: into an account in Azure, by an identity or a connection string."""

from __future__ import annotations

import os
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
from tests.support.https_storage import certificate

from .azure_login import signed_in

PATIENCE = 60  # seconds
SITE = "https://app.example"


def publish(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", "publish", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.fixture
def private_account(tmp_path: Path, tls: Path) -> Iterator[Account]:
    """A storage account that is reached by https and takes tokens."""
    azurite = Azurite(tmp_path / "azurite", certificate=tls)
    try:
        yield azurite.account()
    finally:
        azurite.stop()


@pytest.mark.parametrize("program", ["az", "azd"])
def test_whoever_is_signed_in_publishes_into_a_container_that_nobody_else_may_read(
    private_account: Account, tls: Path, tmp_path: Path, program: str
) -> None:
    environment = signed_in(tmp_path, program) | {"REQUESTS_CA_BUNDLE": str(tls)}
    result = publish("--blob-url", private_account.blob_url, "--site", SITE, environment=environment)
    assert result.returncode == 0, result.stderr
    names = {asset.name for asset in assets()}
    assert {f"Published {name}" for name in names} <= set(result.stdout.splitlines())
    anonymous = requests.get(f"{private_account.blob_url}/{CONTAINER}/index.html", verify=str(tls), timeout=10)
    assert anonymous.status_code in (401, 403, 404), "anybody may read it"
    with ContainerClient.from_connection_string(
        private_account.connection_string, CONTAINER, connection_verify=str(tls)
    ) as container:
        assert f'content="{SITE}/' in container.download_blob("index.html", encoding="utf-8").readall()

    again = publish("--blob-url", private_account.blob_url, "--site", SITE, environment=environment)
    assert again.returncode == 0, again.stderr
    assert "Published" not in again.stdout


def test_a_connection_string_in_the_environment_does_too(account: Account) -> None:
    result = publish(environment={azure.CONNECTION_STRING: account.connection_string})
    assert result.returncode == 0, result.stderr
    with ContainerClient.from_connection_string(account.connection_string, CONTAINER) as container:
        assert set(container.list_blob_names()) == {asset.name for asset in assets()}


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a command ends with, whose exit code tells that it has failed."""
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    return line


def test_without_an_address_it_says_what_to_give() -> None:
    assert "Give --blob-url" in complaint(publish(environment={azure.CONNECTION_STRING: ""}))


def test_without_a_sign_in_it_says_how_to_sign_in(tmp_path: Path) -> None:
    environment = signed_in(tmp_path, "az")
    (tmp_path / "bin/az").write_text("#!/bin/sh\necho 'Please run: az login' >&2\nexit 1\n")
    assert "`az login`" in complaint(publish("--blob-url", "https://account.invalid", environment=environment))


def test_a_kind_of_sign_in_that_there_is_not_is_named() -> None:
    environment = {"AZURE_TOKEN_CREDENTIALS": "NoSuchCredential"}
    assert "AZURE_TOKEN_CREDENTIALS" in complaint(publish("--blob-url", "https://a.invalid", environment=environment))


def test_a_sign_in_to_another_cloud_is_named_as_such(private_account: Account, tls: Path, tmp_path: Path) -> None:
    environment = signed_in(tmp_path, "az", issuer="https://elsewhere.example/") | {"REQUESTS_CA_BUNDLE": str(tls)}
    result = publish("--blob-url", private_account.blob_url, environment=environment)
    assert "does not accept the sign-in" in complaint(result)


def test_a_malformed_connection_string_is_told_without_repeating_it() -> None:
    line = complaint(publish(environment={azure.CONNECTION_STRING: "AccountName=account;AccountKey=secret"}))
    assert azure.CONNECTION_STRING in line
    assert "secret" not in line


def test_an_account_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    result = publish("--blob-url", "https://127.0.0.1:9/account", environment=signed_in(tmp_path, "az"))
    assert "is the address right?" in complaint(result)


@pytest.mark.parametrize("url", ["http://account.blob.core.windows.net", "account", "https://account/content/x"])
def test_an_address_to_which_no_token_may_be_sent_is_refused(url: str) -> None:
    result = publish("--blob-url", url, environment={})
    assert result.returncode == 2
    assert "is not like https://" in result.stderr


class Refusals:
    """A storage account that refuses a number of times before it gives in."""

    def __init__(self, code: str, times: int) -> None:
        self.code, self.times = code, times
        self.asked = 0

    def __call__(self, blob_url: str | None, site: str) -> Refusals:
        self.asked += 1
        if self.asked <= self.times:
            error = HttpResponseError(response=SimpleNamespace(status_code=403, reason="Forbidden"))
            error.error_code = self.code  # type: ignore[attr-defined]
            raise error
        return self

    def publish(self) -> list[str]:
        return ["index.html"]

    def close(self) -> None:
        pass


def test_a_role_that_was_given_a_moment_ago_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_publisher", refusals := Refusals("AuthorizationPermissionMismatch", times=3))
    pauses: list[float] = []
    notes: list[str] = []
    assert azure.publish("https://account", "", notes.append, pauses.append) == ["index.html"]
    assert refusals.asked == 4
    assert len(pauses) == 3
    assert notes == ["waiting for the role to take effect"] * 3


def test_a_role_that_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_publisher", Refusals("AuthorizationPermissionMismatch", times=10**9))
    clock = 0.0

    def sleep(seconds: float) -> None:
        nonlocal clock
        clock += seconds

    monkeypatch.setattr("local.publishing.azure.time.monotonic", lambda: clock)
    with pytest.raises(StepFailed, match="Storage Blob Data Contributor"):
        azure.publish("https://account", "", lambda _: None, sleep)


@pytest.mark.parametrize(
    ("code", "words"), [("PublicAccessNotPermitted", "give --blob-url"), ("AccountIsDisabled", "403 AccountIsDisabled")]
)
def test_what_waiting_would_not_help_is_told_at_once(monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    monkeypatch.setattr(azure, "_publisher", refusals := Refusals(code, times=1))
    with pytest.raises(StepFailed, match=words):
        azure.publish("https://account", "", lambda _: None, lambda _: None)
    assert refusals.asked == 1
