"""The origins of other websites whose pages may show the count."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ANY = "*"
_LABEL = "[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
# An address may go on after the host and the port, an origin does not.
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(\.{_LABEL})*)(:(?P<port>\d{{1,5}}))?([/?#].*)?", re.IGNORECASE | re.ASCII
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """Some origins, in the form of the header `Origin`, or all of http and https as `("*",)`."""

    listed: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Origins:
        """The origins of a list with commas or spaces between them, or all of `*`.

        An origin has to have the form in which browsers send it: SignalR Service gets the same list and may compare it
        as text. Raises ValueError, with what to write.
        """
        entries = list(filter(None, re.split(r"[\s,]+", text)))
        if entries == [_ANY]:
            return cls((_ANY,))
        for number, entry in enumerate(entries, start=1):
            if problem := _problem(entry):
                raise ValueError(f"entry {number} {problem}")
        return cls(tuple(dict.fromkeys(entries)))

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin are allowed, a value of the header `Origin`.

        "null" never is: browsers send it for every page without an origin of its own, such as a local file.
        """
        if self.listed == (_ANY,):
            return _normal(origin) == origin
        return origin in self.listed


NO_ORIGINS = Origins()


def _problem(entry: str) -> str | None:
    """Why an entry is no origin. It contains no more of the entry than a host: every visitor may read it."""
    if _ANY in entry:
        return "is a pattern: list each origin in full, or allow all by a single *"
    if not entry.isascii():
        return "has to be in ASCII: location.origin has that form in a browser"
    normal = _normal(entry)
    if normal is None:
        return "is no origin, such as https://www.example.com"
    return None if normal == entry else f"has to be {normal}, as browsers send it"


def _normal(address: str) -> str | None:
    """The origin of an http(s) address as browsers send it, or None: in lower case, without the default port."""
    if not (found := _ADDRESS.fullmatch(address)):
        return None
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        return None
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
