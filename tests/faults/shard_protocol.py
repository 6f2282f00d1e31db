"""A model of the protocol of `signin.counting.shards`, small enough to try every interleaving.

The table has one `Row` per shard. One process is `Watched` in every detail: its committer's thread and the thread of a
walk share its fields, which are those of `Shards`. Each `Other` process does all that changes the table: it opens
shards, touches shard 0 (changes its ETag and nothing else) and commits; any shard may be closed at any time. The
beliefs of an `Other` do not matter, since each process could be the watched one.

A step is one request, at the moment at which the service carries it out, or the handling of its reply. The steps of all
threads and processes interleave freely. There is no limit to how often a process commits, and an `Other` crashes at any
step: it starts anew in shard 0 and knows nothing. The watched process need not crash, since it may begin at any time.
Chance decides when a shard is crowded or idle, so the protocol has to be safe at any choice.

The rules, numbered as in `signin.counting.shards`:

1. A process that has read the ETag of a shard above 0 touches shard 0 before it commits there.
2. A process that finds its own shard closed goes to shard 0. One that moves to a closed shard re-opens it. Closing is
   conditional on the ETag.
5. A process in shard 0 is the sole writer if a walk found all other shards closed or absent, and since the walk began
   the process has neither seen a foreign change of shard 0's ETag nor moved. A sole writer's walk only reads shard 0.

One commit of an `Other`, whichever, is of "the visit". All other commits only change ETags: a process that can miss any
visit can miss this one. The rules are safe if in every state:

- The watched process, if it believes that it is the sole writer, knows the visit if that was committed before the
  process's own last commit.
- A walk that ends has found the visit if that was committed before the walk began.

`Flaw` lists parts of the rules that can be left out, to show that each is needed and that the search finds it.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache
from typing import NamedTuple, TypeVar


class Flaw(Enum):
    """A part of the rules that is left out."""

    ONLY_OPENER_TOUCHES = "a process that moves to an open shard commits there without a touch"
    NO_TOUCH_AFTER_READ = "a process that has read its own shard anew commits without a touch"
    TOUCH_BEFORE_OPENING = "the touch comes before the shard is opened"
    TOUCH_AFTER_COMMIT = "the touch comes after the commit"
    NO_REOPENING = "a process commits to a closed shard"
    UNCONDITIONAL_CLOSING = "a shard is closed at whatever ETag it has"
    OPEN_SHARDS_ACCEPTED = "a sole writer may have found other shards open"
    OLD_WALK_ACCEPTED = "a sole writer may have seen a change of shard 0's ETag since its walk began"
    NEW_ETAG_ACCEPTED = "a sole writer that finds another ETag in shard 0 is the sole writer still"
    MOVE_IGNORED = "a sole writer that has moved away and come back is the sole writer still"
    ONE_READ_TRUSTED = "one read of shard 0 suffices although a change of its ETag was seen meanwhile"


class Row(NamedTuple):
    """A shard's stats row. Of ETags only equality matters; 0 means that there is no row."""

    etag: int = 0
    is_closed: bool = False
    has_visit: bool = False

    @property
    def is_open(self) -> bool:
        return self.etag > 0 and not self.is_closed


ABSENT = Row()
NEW_ETAG = 100  # larger than any in a state, see `_canonical`

Rows = tuple[Row, ...]
T = TypeVar("T")


class Other(NamedTuple):
    """A process that is not watched. While it moves, `etag` is that of the shard to which it moves."""

    own: int = 0
    etag: int | None = None  # at which it may commit; None: to be read
    step: str = "ready"  # or "touch" or "open"
    goal: int = 0  # the shard to which it moves


class Walk(NamedTuple):
    """The watched process's walk. `own` and `first` are the process's fields as they were when the walk began."""

    own: int
    first: int  # 0 from the step "close" on
    must_find: bool  # the visit was committed before the walk began
    step: str  # "read one", "compare", "read" or "close"
    rows: tuple[Row | None, ...]  # as read, None: not yet; in the step "close" those that are open
    can_verify: bool  # it began in shard 0, and no foreign change of shard 0's ETag was seen since


class Watched(NamedTuple):
    """The watched process."""

    own: int = 0
    etag: int | None = None  # at which it may commit; None: to be read
    first: int = 0  # shard 0's ETag as last seen; 0: there was no row, or the ETag is not known
    is_verified: bool = False  # a walk found all other shards closed or absent, and is valid still
    step: str = "ready"  # of the committer; or "learn", "touch", "move", "committed" or "conflict"
    reply: Row = ABSENT  # to the committer's last request
    goal: int = 0  # the shard to which it moves
    walk: Walk | None = None
    has_learnt: bool = False  # the visit
    must_know: bool = False  # the visit was committed before this process's last commit

    @property
    def is_sole_writer(self) -> bool:
        return self.own == 0 and self.is_verified

    def learning(self, *rows: Row | None) -> Watched:
        return self._replace(has_learnt=any(row is not None and row.has_visit for row in rows))

    def unverified(self) -> Watched:
        """Another process has, or may have, changed shard 0's ETag."""
        return self._replace(is_verified=False, walk=self.walk and self.walk._replace(can_verify=False))

    def seeing_first(self, etag: int, flaw: Flaw | None) -> Watched:
        if etag == self.first != 0 or flaw is Flaw.NEW_ETAG_ACCEPTED:
            after = self
        elif flaw is Flaw.OLD_WALK_ACCEPTED:
            after = self._replace(is_verified=False)
        else:
            after = self.unverified()
        return after._replace(first=etag)

    def ready(self, etag: int | None) -> Watched:
        return self._replace(etag=etag, step="ready", reply=ABSENT, goal=0)

    def moved(self, shard: int, etag: int | None, flaw: Flaw | None) -> Watched:
        after = self if flaw is Flaw.MOVE_IGNORED else self.unverified()
        return after.ready(etag)._replace(own=shard)


class State(NamedTuple):
    rows: Rows
    watched: Watched
    others: tuple[Other, ...]


class Result(NamedTuple):
    """How many states were found, and the steps to the first one that is not safe."""

    states: int
    violation: Sequence[str]


def explore(*, others: int, shards: int, flaw: Flaw | None = None) -> Result:
    """Search all states that can be reached, the nearest first, until one is not safe."""
    gc.disable()  # it would search all states again and again, a third of the time, and none of them is garbage
    try:
        return _search(State((ABSENT,) * shards, Watched(), (Other(),) * others), flaw)
    finally:
        gc.enable()
        for function in (_other, _watched, _canonical_rows, _canonical_other, _canonical_watched):
            function.cache_clear()


def _search(start: State, flaw: Flaw | None) -> Result:
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for label, after, problem in _steps(state, flaw):
            if problem:
                return Result(len(came_from), [*_path(came_from, state), f"{label}: {problem}"])
            if after.watched.has_learnt:  # there is nothing more that it could miss
                continue
            following = _canonical(after)
            if following not in came_from:
                came_from[following] = (state, label)
                waiting.append(following)
    return Result(len(came_from), [])


def _path(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    path: list[str] = []
    while (origin := came_from[state]) is not None:
        state, label = origin
        path.append(label)
    return path[::-1]


def _steps(state: State, flaw: Flaw | None) -> Iterator[tuple[str, State, str]]:
    """Every step that can come next, the state after it, and the property that this violates, if any."""
    rows, watched, others = state
    for label, watched_after, rows_after, problem in _watched(watched, rows, flaw):
        yield f"watched {label}", State(rows_after, watched_after, others), problem
    for number, other in enumerate(others):
        for label, other_after, rows_after in _other(other, rows, flaw):
            yield f"other {number} {label}", State(rows_after, watched, _put(others, number, other_after)), ""
    for shard, row in enumerate(rows):
        if shard > 0 and row.is_open:  # read and written at the same ETag, which is as good as one step
            closed = row._replace(etag=NEW_ETAG, is_closed=True)
            yield f"an other closes {shard}", State(_put(rows, shard, closed), watched, others), ""


def _goals(own: int, rows: Rows) -> list[int]:
    """The shards above 0 to which a process can move: they are opened without gaps."""
    return [shard for shard in range(1, len(rows)) if shard != own and rows[shard - 1].etag]


def _opened(rows: Rows, shard: int) -> tuple[str, Row]:
    """What happens to a shard to which a process moves, and its row after that.

    To create or re-open it takes a second request, at the ETag that the first one has read. If that succeeds, both are
    as good as one step; if not, nothing has happened.
    """
    row = rows[shard]
    if row.is_open:
        return f"reads {shard} to move there", row
    label = f"re-opens {shard}" if row.is_closed else f"creates {shard}"
    return label, row._replace(etag=NEW_ETAG, is_closed=False)


def _touched(rows: Rows) -> Rows:
    return _put(rows, 0, rows[0]._replace(etag=NEW_ETAG))


# Other processes

OtherSteps = Iterator[tuple[str, Other, Rows]]


@cache
def _other(other: Other, rows: Rows, flaw: Flaw | None) -> Sequence[tuple[str, Other, Rows]]:
    return [*_other_goes_on(other, rows, flaw), ("crashes", Other(), rows)]


def _other_goes_on(other: Other, rows: Rows, flaw: Flaw | None) -> OtherSteps:
    own, etag, step, goal = other
    if step == "touch":
        is_to_open = flaw is Flaw.TOUCH_BEFORE_OPENING and etag is None
        yield "touches 0", other._replace(step="open") if is_to_open else Other(goal, etag), _touched(rows)
    elif step == "open":
        label, row = _opened(rows, goal)
        yield label, Other(goal, row.etag), _put(rows, goal, row)
    elif etag is None:
        yield _other_reads(own, rows, flaw)
        for shard in _goals(own, rows):
            yield _other_leaves(other, shard, rows, flaw)
    elif etag == rows[own].etag:
        after = rows[own]._replace(etag=NEW_ETAG)
        must_touch = own > 0 and flaw is Flaw.TOUCH_AFTER_COMMIT
        new = Other(own, NEW_ETAG, "touch", own) if must_touch else Other(own, NEW_ETAG)
        yield f"commits to {own}", new, _put(rows, own, after)
        if not any(row.has_visit for row in rows):
            yield f"commits the visit to {own}", new, _put(rows, own, after._replace(has_visit=True))


def _other_reads(own: int, rows: Rows, flaw: Flaw | None) -> tuple[str, Other, Rows]:
    if rows[own].is_closed and flaw is not Flaw.NO_REOPENING:
        return f"finds {own} closed", Other(), rows
    needs_touch = own > 0 and flaw not in (Flaw.NO_TOUCH_AFTER_READ, Flaw.TOUCH_AFTER_COMMIT)
    return f"reads {own}", Other(own, rows[own].etag, *(("touch", own) if needs_touch else ())), rows


def _other_leaves(other: Other, shard: int, rows: Rows, flaw: Flaw | None) -> tuple[str, Other, Rows]:
    if flaw is Flaw.TOUCH_BEFORE_OPENING:
        return f"is to move to {shard}", other._replace(step="touch", goal=shard), rows
    label, row = _opened(rows, shard)
    if flaw is Flaw.TOUCH_AFTER_COMMIT or (flaw is Flaw.ONLY_OPENER_TOUCHES and row == rows[shard]):
        return label, Other(shard, row.etag), _put(rows, shard, row)
    return label, Other(other.own, row.etag, "touch", shard), _put(rows, shard, row)


# The watched process

WatchedSteps = Iterator[tuple[str, Watched, Rows]]


@cache
def _watched(watched: Watched, rows: Rows, flaw: Flaw | None) -> Sequence[tuple[str, Watched, Rows, str]]:
    """The next steps, each with the property that it violates, if any."""
    steps = []
    for label, after, rows_after in (*_commit(watched, rows, flaw), *_walk(watched, rows, flaw)):
        problem = ""
        if after.is_sole_writer and after.must_know and not after.has_learnt:
            problem = "it believes that it is the sole writer, but it misses the visit"
        elif watched.walk and not after.walk and watched.walk.must_find and not after.has_learnt:
            problem = "it has not found the visit"
        steps.append((label, after, rows_after, problem))
    return steps


def _commit(watched: Watched, rows: Rows, flaw: Flaw | None) -> WatchedSteps:
    """The next steps of the committer."""
    own, etag, step, reply = watched.own, watched.etag, watched.step, watched.reply
    if step == "ready" and own > 0:
        yield "goes back to 0", watched.moved(0, None, flaw), rows
    if step == "ready" and etag is None:
        yield f"reads {own}", watched._replace(step="learn", reply=rows[own]), rows
        for shard in _goals(own, rows):
            label, row = _opened(rows, shard)
            moving = watched._replace(step="touch", reply=Row(row.etag), goal=shard)
            yield label, moving, _put(rows, shard, row)
    elif step == "ready" and etag == rows[own].etag:
        committed = watched._replace(
            step="committed", reply=Row(NEW_ETAG), must_know=any(row.has_visit for row in rows)
        )
        yield f"commits to {own}", committed, _put(rows, own, rows[own]._replace(etag=NEW_ETAG))
    elif step == "ready":
        yield f"meets another ETag in {own}", watched._replace(step="conflict"), rows
    elif step == "learn":
        yield f"learns {own}", _own_was_read(watched, flaw), rows
    elif step == "touch":
        yield "touches 0", watched._replace(step="move"), _touched(rows)
    elif step == "move":
        yield f"goes on in {watched.goal}", watched.moved(watched.goal, reply.etag, flaw), rows
    elif step == "committed":
        yield "learns that it has committed", _committed(watched), rows
        yield "misses the reply to its commit", _etag_lost(watched, flaw), rows
    elif step == "conflict":
        yield "learns of the conflict", _etag_lost(watched, flaw), rows


def _own_was_read(watched: Watched, flaw: Flaw | None) -> Watched:
    own, reply = watched.own, watched.reply
    after = watched.learning(reply)
    if own == 0:
        return after.seeing_first(reply.etag, flaw).ready(reply.etag)
    if reply.is_closed:
        return after.moved(0, None, flaw)
    return after._replace(step="touch", reply=Row(reply.etag), goal=own)


def _committed(watched: Watched) -> Watched:
    after = watched.ready(watched.reply.etag)
    if watched.own > 0:
        return after
    return (after if watched.etag == watched.first else after.unverified())._replace(first=watched.reply.etag)


def _etag_lost(watched: Watched, flaw: Flaw | None) -> Watched:
    after = watched.ready(None)
    return after if watched.own > 0 else after.seeing_first(0, flaw)


def _walk(watched: Watched, rows: Rows, flaw: Flaw | None) -> WatchedSteps:
    """The next steps of the walk. Parallel reads arrive in any order."""
    walk = watched.walk
    if walk is None:
        must_find = any(row.has_visit for row in rows)
        step = "read one" if watched.is_sole_writer else "read"
        yield "begins to walk", _begun(watched, step, must_find, len(rows)), rows
    elif walk.step == "read one":
        yield "reads only 0", watched._replace(walk=walk._replace(step="compare", rows=(rows[0],))), rows
    elif walk.step == "compare":
        is_expected = walk.rows[0] is not None and walk.rows[0].etag in (walk.first, watched.first)
        if is_expected and (walk.can_verify or flaw is Flaw.ONE_READ_TRUSTED):
            yield "ends its walk after one read", watched._replace(walk=None), rows
        else:
            yield "has to read all", _begun(watched, "read", walk.must_find, len(rows)), rows
    elif walk.step == "read":
        unread = [shard for shard, row in enumerate(walk.rows) if row is None]
        for shard in unread:
            read = walk._replace(rows=_put(walk.rows, shard, rows[shard]))
            yield f"reads {shard} in its walk", watched._replace(walk=read), rows
        absent = walk.rows.index(ABSENT) if ABSENT in walk.rows else len(rows)
        if all(shard > absent > 0 for shard in unread):  # a shard above one that is absent need not be read
            yield "learns what it has read", _all_were_read(watched, walk, flaw), rows
    elif walk.step == "close":
        for shard, row in enumerate(walk.rows):
            if row and watched.own == 0 and (row.etag == rows[shard].etag or flaw is Flaw.UNCONDITIONAL_CLOSING):
                closing = watched._replace(walk=walk._replace(rows=_put(walk.rows, shard, None)))
                closed = rows[shard]._replace(etag=NEW_ETAG, is_closed=True)
                yield f"closes {shard}", closing, _put(rows, shard, closed)
        is_verified = walk.can_verify and (not any(walk.rows) or flaw is Flaw.OPEN_SHARDS_ACCEPTED)
        label = "ends its walk as the sole writer" if is_verified else "ends its walk"
        yield label, watched._replace(walk=None, is_verified=is_verified), rows


def _begun(watched: Watched, step: str, must_find: bool, shards: int) -> Watched:
    walk = Walk(watched.own, watched.first, must_find, step, rows=(None,) * shards, can_verify=watched.own == 0)
    return watched._replace(walk=walk)


def _all_were_read(watched: Watched, walk: Walk, flaw: Flaw | None) -> Watched:
    after = watched.learning(*walk.rows)
    etag = (walk.rows[0] or ABSENT).etag
    # While this process commits to shard 0, its commits find out whether the ETag is the expected one.
    if (walk.own > 0 or watched.etag is None) and etag not in (walk.first, watched.first):
        after = after.seeing_first(etag, flaw)
    if not after.walk or not after.walk.can_verify:  # what it closes, an other might have closed
        return after._replace(walk=None)
    are_open = [shard not in (0, walk.own) and row is not None and row.is_open for shard, row in enumerate(walk.rows)]
    still_open = tuple(row if is_open else None for row, is_open in zip(walk.rows, are_open, strict=True))
    return after._replace(walk=after.walk._replace(step="close", rows=still_open, first=0))


# States


def _put(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])


def _canonical(state: State) -> State:
    """The state with new numbers for ETags, so that there are few: only equality matters."""
    rows, watched, others = state
    return State(
        _canonical_rows(rows),
        _canonical_watched(watched, rows),
        tuple(_canonical_other(other, rows) for other in others),
    )


@cache
def _canonical_rows(rows: Rows) -> Rows:
    return tuple(Row(min(row.etag, 1), row.is_closed, row.has_visit) for row in rows)


@cache
def _canonical_other(other: Other, rows: Rows) -> Other:
    own, etag, step, goal = other
    if etag is None:
        return other
    number = _present_or_old(etag, rows[goal or own])
    if step == "ready" and number == 2:  # its commit would fail, and then it would read
        return Other(own)
    return Other(own, number, step, goal)


@cache
def _canonical_watched(watched: Watched, rows: Rows) -> Watched:
    """Of shard 0 the process compares ETags of several moments: they are numbered in the order in which they occur."""
    numbers = {0: 0, rows[0].etag: min(rows[0].etag, 1)}

    def etag_of(shard: int, etag: int) -> int:
        return _present_or_old(etag, rows[shard]) if shard else numbers.setdefault(etag, len(numbers))

    def row_of(shard: int, row: Row) -> Row:
        return Row(etag_of(shard, row.etag), row.is_closed, row.has_visit)

    walk = watched.walk
    if walk:
        read = tuple(row and row_of(shard, row) for shard, row in enumerate(walk.rows))
        if walk.step == "read":  # it will only close the open ones, if any
            read = (read[0], *(row and _as_read(row, walk.can_verify) for row in read[1:]))
        must_find = walk.must_find and not any(row and row.has_visit for row in read)
        walk = walk._replace(first=etag_of(0, walk.first), must_find=must_find, rows=read)
    return watched._replace(
        etag=None if watched.etag is None else etag_of(watched.own, watched.etag),
        first=etag_of(0, watched.first),
        reply=row_of(watched.goal or watched.own, watched.reply),
        walk=walk,
    )


def _present_or_old(etag: int, row: Row) -> int:
    """The number of an ETag that is only compared with the present one of its row."""
    return 0 if etag == 0 else 1 if etag == row.etag else 2


def _as_read(row: Row, can_verify: bool) -> Row:
    """A row as a walk has read it. The ETag is needed only to close the shard."""
    return row if row == ABSENT or (row.is_open and can_verify) else Row(1, True, row.has_visit)
