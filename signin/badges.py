"""What a badge shows, by the query of its request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from signin.counter import RoomCounter
from signin.website.badge import Badge, InvalidBadge, label_from


async def badge_of(counter: RoomCounter, query: Mapping[str, str]) -> Badge:
    """The badge with the `count` and the `label` of a query, both optional. Raises InvalidBadge or StorageError."""
    name = query.get("count", "visits")
    if name not in COUNTS:
        raise InvalidBadge(f"count has to be one of {', '.join(COUNTS)}")
    label = label_from(query.get("label", "")) or name
    return Badge(label, await COUNTS[name](counter))


async def _visits(counter: RoomCounter) -> str:
    return f"{(await counter.statistics()).total:,}"


async def _people(counter: RoomCounter) -> str:
    """The number of people, with "+" after it if it may be higher: some clients do not report whether they are new."""
    people = (await counter.statistics()).people
    return f"{people.least:,}{'' if people.is_exact else '+'}"


async def _here(counter: RoomCounter) -> str:
    await counter.statistics()  # which also reads the open pages of other processes
    here = counter.here()
    if here is None:
        raise InvalidBadge("open pages are not counted (HereSeconds)")
    return f"{here.pages:,}"


# By the names in the query, which are the labels by default.
COUNTS: Mapping[str, Callable[[RoomCounter], Awaitable[str]]] = {"visits": _visits, "people": _people, "here": _here}
