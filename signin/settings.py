"""The app's settings. Environment variables are interpreted only here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from signin.counting.rows import is_room_name
from signin.counting.table import VisitTable
from signin.identity.credential import Credential, Identity, is_https_or_loopback
from signin.live.connection_string import ConnectionString
from signin.live.lease import LONGEST_INTERVAL
from signin.live.open_pages import LONGEST_PERIOD, SHORTEST_PERIOD
from signin.live.pace import FEWEST_A_DAY, MOST_A_DAY
from signin.visits.origins import NO_ORIGINS, Origins
from signin.website.blobs import MAX_BUFFERED, MB
from signin.website.representation import DEFAULT_MAX_FILE_MB
from signin.website.security import is_policy

T = TypeVar("T")

MAX_ROOMS = 20
# First segments of the addresses of the host, of the app's routes, and of the content's folders.
RESERVED_NAMES = frozenset(
    {
        *("admin", "api", "runtime", "health", "leave", "negotiate", "signin", "stats"),
        *("assets", "images", "scripts", "styles"),
    }
)

_MAX_ROOM_NAME = 32  # characters
_MAX_TITLE = 100
# Control characters, line breaks, and bytes of the environment that are not UTF-8.
_NOT_IN_TITLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MIN_FILE_MB = MAX_BUFFERED // MB  # so that files which are kept in memory are always served whole
_MAX_FILE_MB = 1000  # the worker holds a response several times, and an instance has 4,096 MB at most


class SettingsError(Exception):
    """Settings are missing or malformed. The message names each of them and holds no secret."""


@dataclass(frozen=True, slots=True)
class Room:
    """A folder of the website with a counter of its own; the default counter is the room "".

    The `title` is "" if the page is to keep the one that it was published with.
    """

    name: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Access to the table: a connection string with a key, or a url and an identity."""

    connection_string: str = field(default="", repr=False)
    url: str = ""
    identity: Identity = field(default_factory=Identity)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> TableSettings:
        """Read the table's settings, the only ones that an operator's command needs. Raises SettingsError.

        Access by identity has the setting names of the Azure Functions host: TableConnectionString__tableServiceUri (or
        __serviceUri), with __credential and __clientId.
        """
        name = "TableConnectionString"
        service = f"{name}__tableServiceUri"
        url = _text(environment, service) or _text(environment, f"{name}__serviceUri")
        if _text(environment, name) or not url:
            return cls(_read(environment, name, _table_connection_string))
        return cls(url=_check(service, url, _table_url), identity=_identity(environment, name) or Identity())

    def connect(self) -> VisitTable:
        """A client for the table. No request is sent."""
        if self.connection_string:
            return VisitTable.from_connection_string(self.connection_string)
        return VisitTable.from_url(self.url, Credential(self.identity))


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, validated.

    `blob_url` is a base url without a trailing slash. `blob_identity` is None for anonymous access.
    `broadcast_interval` is in seconds. `maximum_broadcasts` is for a day; None if there is no limit.
    `here_seconds` is the time within which each visible page reads the statistics; 0 if open pages are not counted.
    `content_security_policy` is None for the app's own policy and "" for none. A file of more than `max_file_mb` MB is
    served in parts only. `allowed_origins` are those of other websites whose pages may show the count. `rooms` has the
    rooms by name, and the default counter as "".
    """

    table: TableSettings
    blob_url: str
    blob_identity: Identity | None
    signalr: ConnectionString
    broadcast_interval: float
    maximum_broadcasts: int | None
    here_seconds: int
    content_security_policy: str | None
    max_file_mb: int
    allowed_origins: Origins
    rooms: Mapping[str, Room]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and validate all settings. Raises one SettingsError that names every problem."""
        problems: dict[str, None] = {}  # in order; one may be met twice

        def read(setting: Callable[[], T]) -> Callable[[], T]:
            """A function that returns the setting. It may be called while there are no problems."""
            try:
                value = setting()
            except SettingsError as error:
                problems[str(error)] = None
                return setting
            return lambda: value

        table = read(lambda: TableSettings.from_environment(environment))
        blob_url = read(lambda: _read(environment, "BlobHost", _blob_url))
        blob_identity = read(lambda: _identity(environment, "BlobHost"))
        read(lambda: _check_confidential("BlobHost", blob_url(), blob_identity()))
        signalr = read(lambda: _read(environment, "AzureSignalRConnectionString", ConnectionString.parse))
        broadcast_interval = read(lambda: _read(environment, "BroadcastIntervalSeconds", _seconds, default="1"))
        maximum_broadcasts = read(lambda: _read_optional(environment, "MaximumBroadcastsPerDay", _broadcasts))
        here_seconds = read(lambda: _read(environment, "HereSeconds", _here_seconds, default="300"))
        policy = read(lambda: _read_optional(environment, "ContentSecurityPolicy", _policy))
        max_file_mb = read(lambda: _read(environment, "MaxFileMB", _megabytes, default=str(DEFAULT_MAX_FILE_MB)))
        allowed_origins = read(lambda: _read_optional(environment, "AllowedOrigins", Origins.parse) or NO_ORIGINS)
        rooms = read(lambda: rooms_from(environment))
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            table=table(),
            blob_url=blob_url(),
            blob_identity=blob_identity(),
            signalr=signalr(),
            broadcast_interval=broadcast_interval(),
            maximum_broadcasts=maximum_broadcasts(),
            here_seconds=here_seconds(),
            content_security_policy=policy(),
            max_file_mb=max_file_mb(),
            allowed_origins=allowed_origins(),
            rooms=rooms(),
        )


def rooms_from(environment: Mapping[str, str]) -> Mapping[str, Room]:
    """The rooms of the settings Rooms and Title by name: "" is the default counter. Raises SettingsError."""
    title = _read_optional(environment, "Title", _title) or ""
    rooms = _read_optional(environment, "Rooms", _rooms) or {}
    return {"": Room(title=title), **rooms}


def _text(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, "").strip()


def _read(environment: Mapping[str, str], name: str, check: Callable[[str], T], default: str = "") -> T:
    text = _text(environment, name) or default
    if not text:
        raise SettingsError(f"{name} is not set")
    return _check(name, text, check)


def _read_optional(environment: Mapping[str, str], name: str, check: Callable[[str], T]) -> T | None:
    text = _text(environment, name)
    return _check(name, text, check) if text else None


def _check(name: str, text: str, check: Callable[[str], T]) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise SettingsError(f"{name} is malformed: {error}") from None


def _identity(environment: Mapping[str, str], name: str) -> Identity | None:
    """The identity for the connection of this name, or None if no setting specifies one."""
    credential, client_id = _text(environment, f"{name}__credential"), _text(environment, f"{name}__clientId")
    if credential not in ("", "managedidentity"):
        raise SettingsError(f"{name}__credential is malformed: it can only be managedidentity")
    if not credential and not client_id:
        return None
    return Identity(is_managed=bool(credential), client_id=client_id or None)


def _check_confidential(name: str, url: str, identity: Identity | None) -> None:
    if identity is not None and not is_https_or_loopback(url):
        raise SettingsError(f"{name} is malformed: an identity's tokens are sent by https only")


def _table_connection_string(text: str) -> str:
    text = text.rstrip(";")  # the SDK refuses "UseDevelopmentStorage=true;"
    try:
        VisitTable.from_connection_string(text)
    except ValueError:  # the SDK's message may contain a part of it
        raise ValueError("it is not the connection string of a storage account") from None
    return text


def _table_url(text: str) -> str:
    if not re.fullmatch(r"https://[\w.-]+(:\d{1,5})?(/[\w-]+)?/?", text, re.ASCII):
        raise ValueError("it is not the https url of a storage account's tables")
    return text.rstrip("/")


def _blob_url(text: str) -> str:
    url = (text if "://" in text else f"https://{text}").rstrip("/")
    if not re.fullmatch(r"https?://([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?(/[\w-]+)?", url, re.ASCII):
        raise ValueError("it is neither a host nor an http(s) url of a storage account, without the container")
    return url


def _title(text: str) -> str:
    if len(text) > _MAX_TITLE or _NOT_IN_TITLE.search(text):
        raise ValueError(f"it is not a title of at most {_MAX_TITLE} characters on one line")
    return text


def _rooms(text: str) -> Mapping[str, Room]:
    """The rooms of `name=Title; other=Other title`, by name; the title is optional."""
    rooms: dict[str, Room] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, _, title = (piece.strip() for piece in part.partition("="))
        if not is_room_name(name) or len(name) > _MAX_ROOM_NAME:
            raise ValueError(
                f"{name!r} is not a name of at most {_MAX_ROOM_NAME} lower-case letters and digits, "
                "with single hyphens between them"
            )
        if name in RESERVED_NAMES:
            raise ValueError(f"the app uses the name {name!r} itself")
        if name in rooms:
            raise ValueError(f"the room {name!r} is given twice")
        rooms[name] = Room(name, _title(title))
    if len(rooms) > MAX_ROOMS:
        raise ValueError(f"it has {len(rooms)} rooms, and {MAX_ROOMS} are the most")
    return rooms


def _policy(text: str) -> str:
    if text.lower() == "none":
        return ""
    if not is_policy(text):
        raise ValueError(
            "it is neither none nor a policy, such as default-src 'self', in printable ASCII characters on one line"
        )
    return text


def _megabytes(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not _MIN_FILE_MB <= int(text) <= _MAX_FILE_MB:
        raise ValueError(f"it is not a whole number of megabytes from {_MIN_FILE_MB} to {_MAX_FILE_MB}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= LONGEST_INTERVAL:
        raise ValueError(f"it is not a number of seconds from 0.1 to {LONGEST_INTERVAL:.0f}")
    return seconds


def _broadcasts(text: str) -> int:
    if not re.fullmatch(r"\d{4,7}", text, re.ASCII) or not FEWEST_A_DAY <= int(text) <= MOST_A_DAY:
        raise ValueError(f"it is not a whole number from {FEWEST_A_DAY} to {MOST_A_DAY}")
    return int(text)


def _here_seconds(text: str) -> int:
    seconds = int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else -1
    if seconds != 0 and not SHORTEST_PERIOD <= seconds <= LONGEST_PERIOD:
        raise ValueError(f"it is neither 0 nor a whole number of seconds from {SHORTEST_PERIOD} to {LONGEST_PERIOD}")
    return seconds
