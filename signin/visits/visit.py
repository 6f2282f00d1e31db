"""A visit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import getrandbits

from signin.visits.dimensions import SignInRequest, labels_of
from signin.visits.filter import is_visit
from signin.visits.origins import NO_ORIGINS, Origins

_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


class InvalidIdempotencyKey(ValueError):
    """A client sent an idempotency key of another form."""

    def __init__(self) -> None:
        super().__init__("visit has to be 16 to 64 of the characters A-Z, a-z, 0-9, _ and -")


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: its unique key, its labels, its time (UTC), and the idempotency key of its client, if it sent one.

    `labels` has a label for each column of DIMENSIONS; one that is missing counts as "Other". Every attempt of a client
    at the same visit has the same idempotency key.
    """

    key: str
    labels: Mapping[str, str]
    at: datetime
    idempotency_key: str | None = None

    @classmethod
    def now(
        cls,
        request: SignInRequest | None = None,
        idempotency_key: str | None = None,
        *,
        at: datetime | None = None,
    ) -> Visit:
        """A visit by this request, or by one without headers, now or at another time (UTC)."""
        at = at or datetime.now(UTC)
        return cls(new_key(at), labels_of(request or SignInRequest()), at, idempotency_key)

    @classmethod
    def from_request(
        cls,
        request: SignInRequest,
        idempotency_key: str | None = None,
        allowed_origins: Origins = NO_ORIGINS,
        *,
        at: datetime,
    ) -> Visit | None:
        """The visit of a request at this time, or None if it is not a visit, see `is_visit`.

        Raises InvalidIdempotencyKey.
        """
        if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise InvalidIdempotencyKey
        return cls.now(request, idempotency_key, at=at) if is_visit(request, allowed_origins) else None


def new_key(at: datetime) -> str:
    """A unique key that starts with the time (UTC), so that the rows of a shard are sorted by time.

    The idempotency key is no part of it: a client chooses that, and could make the keys of two visits equal.
    """
    # Not uuid4(): reading the system's randomness releases the GIL to the committer's thread on each visit.
    return f"{key_prefix(at)}-{getrandbits(128):032x}"


def key_prefix(at: datetime) -> str:
    """The start of the keys of all visits at this time."""
    # A third of the time of strftime, which would be a third of the time to make a visit.
    time = (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond)
    return "%04d%02d%02dT%02d%02d%02d.%06dZ" % time  # noqa: UP031
