"""pip and npm install the same, in the same place, whatever the user's settings are; those for the network stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.hints import remedy
from local.installers import NPM_OPTIONS, isolate_python, npm_options, pip_environment
from local.node import _NPM, NODE

PIP = [sys.executable, "-m", "pip"]
PIP_SETTINGS = """
[global]
index-url = https://index.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
cert = /etc/file.pem
timeout = 7
require-hashes = true
[install]
user = true
target = /tmp/target
cert = /etc/install.pem
"""


def pip_settings(environment: object) -> set[str]:
    """The settings that pip has in this environment, such as `user`."""
    assert isinstance(environment, dict)
    listing = subprocess.run([*PIP, "config", "list"], env=environment, capture_output=True, text=True, check=True)
    return {line.partition("=")[0].rpartition(".")[2] for line in listing.stdout.splitlines()}


def test_pip_keeps_only_settings_for_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text(PIP_SETTINGS)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PIP_CERT", raising=False)
    for name in ("PREFIX", "TARGET", "USER", "NO_DEPS", "REQUIRE_VIRTUALENV", "DRY_RUN", "ROOT", "PLATFORM"):
        monkeypatch.setenv(f"PIP_{name}", "1")
    monkeypatch.setenv("PIP_PYTHON", "/no/such/python")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.example")
    monkeypatch.setenv("PIP_TIMEOUT", "9")

    environment = pip_environment(PIP)
    assert environment["PIP_INDEX_URL"] == "https://index.example/simple"
    assert environment["PIP_EXTRA_INDEX_URL"].split() == ["https://one.example/simple", "https://two.example/simple"]
    assert environment["PIP_CERT"] == "/etc/install.pem"
    assert environment["PIP_PROXY"] == "http://proxy.example"
    assert environment["PIP_TIMEOUT"] == "9"
    assert environment["PATH"] == os.environ["PATH"]
    remaining = pip_settings(environment)
    assert {"index-url", "extra-index-url", "cert", "proxy", "timeout"} <= remaining
    assert remaining.isdisjoint({"user", "target", "prefix", "no-deps", "dry-run", "root", "platform", "python"})
    assert remaining.isdisjoint({"require-virtualenv", "require-hashes"})


def test_malformed_settings_are_left_to_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("no section")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert pip_environment(PIP)["PIP_CONFIG_FILE"] == str(tmp_path / "pip.conf")


def test_npm_installs_the_same_with_any_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "global": "true",
        "omit": "optional",
        "production": "true",
        "dry-run": "true",
        "package-lock": "false",
        "package-lock-only": "true",
        "ignore-scripts": "false",
        "engine-strict": "true",
        "legacy-peer-deps": "true",
        "install-strategy": "nested",
        "loglevel": "silent",
        "audit": "true",
    }
    (tmp_path / ".npmrc").write_text("\n".join(f"{name}={value}" for name, value in settings.items()))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / ".npmrc"))
    monkeypatch.setenv("NODE_ENV", "production")
    for name in ("omit=dev", "optional=false", "location=global", "workspaces=true", "registry=https://npm.example/"):
        monkeypatch.setenv("npm_config_" + name.partition("=")[0], name.partition("=")[2])

    listing = subprocess.run(
        [NODE, _NPM, "config", "list", "--json", *NPM_OPTIONS, "--include=dev", "--prefix", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    config = json.loads(listing.stdout)
    assert {name: config[name] for name in ("global", "location", "dry-run", "package-lock", "package-lock-only")} == {
        "global": False,
        "location": "project",
        "dry-run": False,
        "package-lock": True,
        "package-lock-only": False,
    }
    assert set(config["include"]) == {"optional", "dev"}  # `include` has precedence over all that omits
    assert [config[name] for name in ("ignore-scripts", "engine-strict", "legacy-peer-deps", "audit")] == [
        *(True, False, False, False)
    ]
    assert (config["install-strategy"], config["loglevel"], config["workspaces"]) == ("hoisted", "warn", False)
    assert config["registry"] == "https://npm.example/"


def test_npm_has_its_own_cache_if_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with npm_options(NODE, _NPM) as options:
        assert options == NPM_OPTIONS


def test_npm_has_a_temporary_cache_if_it_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "file/cache"))
    with npm_options(NODE, _NPM) as options:
        *others, cache = options
        assert tuple(others) == NPM_OPTIONS
        folder = Path(cache.removeprefix("--cache="))
        assert folder.is_dir()
    assert not folder.exists()


def test_python_of_environment_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, "odd")
    monkeypatch.setenv("HOME", str(tmp_path))
    isolate_python(tmp_path / "other")
    assert not {"PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH"} & os.environ.keys()
    assert os.environ["HOME"] == str(tmp_path)


def test_user_without_home_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user id without a name
    isolate_python(tmp_path)
    assert os.environ["HOME"] == str(tmp_path)


# Lines of real programs, by a part of the remedy.
OUTPUTS = {
    "PIP_CERT and NODE_EXTRA_CA_CERTS": [
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to')",
        "npm error code SELF_SIGNED_CERT_IN_CHAIN",
        "npm error code UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
        "npm error code UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "npm error code DEPTH_ZERO_SELF_SIGNED_CERT",
        "npm error code CERT_HAS_EXPIRED",
        "npm error request to https://npm.example/ws failed, reason: self-signed certificate in certificate chain",
    ],
    "names a file that cannot be read": [
        "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /no/such.pem",
        "Warning: Ignoring extra certs from `/no/such.pem`, load failed: error:80000002:system library::No such file",
    ],
    "cannot be resolved": [
        "NewConnectionError(': Failed to establish a new connection: [Errno -2] Name or service not known'))",
        "NewConnectionError(': Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')",
        "NewConnectionError(': Failed to establish a new connection: [Errno 11001] getaddrinfo failed'))",
        "npm error network request to https://npm.example/ws failed, reason: getaddrinfo ENOTFOUND npm.example",
        "npm error request to https://npm.example/ws failed, reason: getaddrinfo EAI_AGAIN npm.example",
    ],
    "The proxy cannot be used": [
        "ProxyError('Cannot connect to proxy.', NewConnectionError('[Errno 111] Connection refused'))",
        "OSError('Tunnel connection failed: 407 Proxy Authentication Required')",
        "npm error 407 Proxy Authentication Required - GET https://npm.example/ws",
    ],
    "The server cannot be reached": [
        "ReadTimeoutError(\"HTTPSConnectionPool(host='index.example', port=443): Read timed out. (read timeout=15)\")",
        "ConnectTimeoutError(<HTTPSConnection>, 'Connection to index.example timed out. (connect timeout=15)')",
        "npm error code ECONNREFUSED",
        "npm error code ETIMEDOUT",
        "npm error code ERR_SOCKET_TIMEOUT",
    ],
    "The server refuses access": [
        "ERROR: HTTP error 403 while getting https://index.example/a.whl: 403 Client Error: Forbidden for url",
        "npm error code E401",
    ],
    "no wheel for this Python": ["error: subprocess-exited-with-error", "ERROR: Failed building wheel for aiohttp"],
    "python3-venv": ["The virtual environment was not created successfully because ensurepip is not available."],
    "no version": ["ERROR: No matching distribution found for azure-core==1.41.0 (from versions: none)"],
    "npm cache clean": ["npm error code EINTEGRITY"],
}


@pytest.mark.parametrize(("part", "line"), [(part, line) for part, lines in OUTPUTS.items() for line in lines])
def test_remedy_names_the_cause(part: str, line: str) -> None:
    found = remedy(
        ["Collecting azure-core==1.41.0", line, "ERROR: No matching distribution found", "npm error errno 1"]
    )
    assert found is not None
    assert part in found
    assert found.endswith(", and run the command again.")


def test_unknown_cause_has_no_remedy() -> None:
    assert remedy(["npm error code EUSAGE", "npm error `npm ci` needs a package-lock.json"]) is None
