"""A visit, and which requests are visits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import getrandbits

from signin.visits.user_agent import OTHER, identify

_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


class InvalidIdempotencyKey(ValueError):
    """A client sent an idempotency key of another form."""

    def __init__(self) -> None:
        super().__init__("visit has to be 16 to 64 of the characters A-Z, a-z, 0-9, _ and -")


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: its unique key, its labels, its time (UTC), and the idempotency key of its client, if it sent one.

    Every attempt of a client at the same visit has the same idempotency key.
    """

    key: str
    os: str
    browser: str
    at: datetime
    device: str = OTHER
    idempotency_key: str | None = None

    @classmethod
    def now(cls, user_agent: str = "", idempotency_key: str | None = None, *, at: datetime | None = None) -> Visit:
        """A visit by a client with this User-Agent, now or at another time (UTC)."""
        client = identify(user_agent)
        at = at or datetime.now(UTC)
        return cls(new_key(at), client.os, client.browser, at, client.device, idempotency_key)

    @classmethod
    def from_headers(
        cls, headers: Mapping[str, str], idempotency_key: str | None = None, *, at: datetime
    ) -> Visit | None:
        """The visit of a request at this time with these headers (names in lower case), or None if it is not a visit.

        Requests of known bots are not visits. Neither are requests by which a browser fetches the page ahead of time
        (`Sec-Purpose: prefetch` or `prefetch;prerender`). Raises InvalidIdempotencyKey.
        """
        if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise InvalidIdempotencyKey
        user_agent = headers.get("user-agent", "")
        if identify(user_agent).is_bot or headers.get("sec-purpose", "").lower().startswith("prefetch"):
            return None
        return cls.now(user_agent, idempotency_key, at=at)


def new_key(at: datetime) -> str:
    """A unique key that starts with the time (UTC), so that the rows of a shard are sorted by time.

    The idempotency key is no part of it: a client chooses that, and could make the keys of two visits equal.
    """
    # Not uuid4(): reading the system's randomness releases the GIL to the committer's thread on each visit.
    return f"{key_prefix(at)}-{getrandbits(128):032x}"


def key_prefix(at: datetime) -> str:
    """The start of the keys of all visits at this time."""
    return f"{at:%Y%m%dT%H%M%S.%fZ}"
