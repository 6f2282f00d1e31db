"""A visit: what is recorded of it, and which requests are not visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import getrandbits

from signin.visits.user_agent import OTHER, identify


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: a key that no other visit has, the labels under which it counts, and its time (UTC).

    The key begins with the time, so that the rows of a shard lie in its order.
    """

    key: str
    os: str
    browser: str
    at: datetime
    device: str = OTHER

    @classmethod
    def now(cls, user_agent: str = "") -> Visit:
        """A visit at this moment by a client with this User-Agent."""
        client = identify(user_agent)
        at = datetime.now(UTC)
        # Not uuid4(): to ask the system for randomness gives up the interpreter to the committer's thread each time.
        key = f"{at:%Y%m%dT%H%M%S.%fZ}-{getrandbits(128):032x}"
        return cls(key, client.os, client.browser, at, client.device)

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Visit | None:
        """The visit that a request with these headers (names in lower case) is, or None if it is not one.

        Requests of known bots, and of browsers that fetch the page ahead of time (`Sec-Purpose: prefetch` or
        `prefetch;prerender`), are not visits.
        """
        user_agent = headers.get("user-agent", "")
        if identify(user_agent).is_bot or headers.get("sec-purpose", "").lower().startswith("prefetch"):
            return None
        return cls.now(user_agent)
