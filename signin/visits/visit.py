"""A visit, and which requests are visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import getrandbits

from signin.visits.user_agent import OTHER, identify


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: its unique key, its labels and its time (UTC)."""

    key: str
    os: str
    browser: str
    at: datetime
    device: str = OTHER

    @classmethod
    def now(cls, user_agent: str = "") -> Visit:
        """A visit at the current time by a client with this User-Agent."""
        client = identify(user_agent)
        at = datetime.now(UTC)
        return cls(new_key(at), client.os, client.browser, at, client.device)

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Visit | None:
        """The visit of a request with these headers (names in lower case), or None if the request is not a visit.

        Requests of known bots are not visits. Neither are requests by which a browser fetches the page ahead of time
        (`Sec-Purpose: prefetch` or `prefetch;prerender`).
        """
        user_agent = headers.get("user-agent", "")
        if identify(user_agent).is_bot or headers.get("sec-purpose", "").lower().startswith("prefetch"):
            return None
        return cls.now(user_agent)


def new_key(at: datetime) -> str:
    """A unique key that starts with the time (UTC), so that the rows of a shard are sorted by time."""
    # Not uuid4(): reading the system's randomness releases the GIL to the committer's thread on each visit.
    return f"{at:%Y%m%dT%H%M%S.%fZ}-{getrandbits(128):032x}"
