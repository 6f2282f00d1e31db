"""The settings of the app: the one place that reads the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from signin.signalr import ConnectionString
from signin.table import VisitTable

T = TypeVar("T")


class SettingsError(Exception):
    """Settings that are missing or malformed. The message names each of them and never holds a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, checked. `blob_url` is a base url without a trailing slash, `broadcast_interval` is in seconds."""

    table_connection_string: str = field(repr=False)
    blob_url: str
    signalr: ConnectionString
    broadcast_interval: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and check all settings. Raises SettingsError that names everything that is wrong."""
        problems: list[str] = []

        def read(name: str, check: Callable[[str], T], default: str = "") -> T | None:
            try:
                return _read(environment, name, check, default)
            except SettingsError as problem:
                problems.append(str(problem))
                return None

        table_connection_string = read("TableConnectionString", _table_connection_string)
        blob_url = read("BlobHost", _blob_url)
        signalr = read("AzureSignalRConnectionString", ConnectionString.parse)
        broadcast_interval = read("BroadcastIntervalSeconds", _seconds, default="1")
        if table_connection_string is None or blob_url is None or signalr is None or broadcast_interval is None:
            raise SettingsError("; ".join(problems))
        return cls(table_connection_string, blob_url, signalr, broadcast_interval)


def table_connection_string(environment: Mapping[str, str]) -> str:
    """The one setting that an operator's command needs. Raises SettingsError."""
    return _read(environment, "TableConnectionString", _table_connection_string)


def _read(environment: Mapping[str, str], name: str, check: Callable[[str], T], default: str = "") -> T:
    text = environment.get(name, "").strip() or default
    if not text:
        raise SettingsError(f"{name} is not set")
    try:
        return check(text)
    except ValueError as error:
        raise SettingsError(f"{name} is malformed: {error}") from None


def _table_connection_string(text: str) -> str:
    text = text.rstrip(";")  # the SDK refuses "UseDevelopmentStorage=true;"
    try:
        VisitTable.from_connection_string(text)
    except ValueError:  # the SDK's words may hold a part of it
        raise ValueError("it is not the connection string of a storage account") from None
    return text


def _blob_url(text: str) -> str:
    url = (text if "://" in text else f"https://{text}").rstrip("/")
    if not re.fullmatch(r"https?://([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?(/[\w-]+)?", url, re.ASCII):
        raise ValueError("it is neither a host nor an http(s) url of a storage account, without the container")
    return url


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise ValueError("it is not a number of seconds from 0.1 to 3600")
    return seconds
