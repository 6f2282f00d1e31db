"""The settings of the app: the one place that reads the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from signin.signalr import ConnectionString
from signin.table import VisitTable

T = TypeVar("T")


class SettingsError(Exception):
    """Settings that are missing or malformed. The message names each of them and never holds a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, checked. `blob_url` is a base url without a trailing slash, `broadcast_interval` is in seconds."""

    table_connection_string: str
    blob_url: str
    signalr: ConnectionString
    broadcast_interval: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and check all settings. Raises SettingsError that names everything that is wrong."""
        problems: list[str] = []

        def read(name: str, check: Callable[[str], T], default: str = "") -> T | None:
            text = environment.get(name, "").strip() or default
            if not text:
                problems.append(f"{name} is not set")
                return None
            try:
                return check(text)
            except ValueError as error:
                problems.append(f"{name} is malformed: {error}")
                return None

        table_connection_string = read("TableConnectionString", _table_connection_string)
        blob_url = read("BlobHost", _blob_url)
        signalr = read("AzureSignalRConnectionString", ConnectionString.parse)
        broadcast_interval = read("BroadcastIntervalSeconds", _seconds, default="1")
        if table_connection_string is None or blob_url is None or signalr is None or broadcast_interval is None:
            raise SettingsError("; ".join(problems))
        return cls(table_connection_string, blob_url, signalr, broadcast_interval)


def _table_connection_string(text: str) -> str:
    text = text.rstrip(";")  # the SDK refuses "UseDevelopmentStorage=true;"
    VisitTable.from_connection_string(text)
    return text


def _blob_url(text: str) -> str:
    url = (text if "://" in text else f"https://{text}").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is neither a host nor an http(s) url")
    return url


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise ValueError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds
