"""Which partitions belong to which counter."""

from __future__ import annotations

from itertools import product

import pytest

from signin.counting.rows import ALL_SHARDS, Partitions, is_room_name, room_of, rooms_of

ROOMS = ["", "keynote", "hall-a", "hall", "00", "hall-00", "adopted", "broadcast", "here", "hall-adopted", "2026"]


def partitions_of(room: str) -> set[str]:
    partitions = Partitions(room)
    return {*map(partitions.of, ALL_SHARDS), partitions.lease, partitions.here}


def test_partitions_of_a_room_begin_with_its_name() -> None:
    assert [Partitions("hall-a").of(shard) for shard in (0, 99, -1)] == ["hall-a-00", "hall-a-99", "hall-a-adopted"]
    assert Partitions("hall-a").lease == "hall-a-broadcast"
    assert Partitions("hall-a").here == "hall-a-here"


def test_default_counter_has_the_partitions_of_earlier_versions() -> None:
    assert partitions_of("") == {*(f"{shard:02}" for shard in range(100)), "adopted", "broadcast", "here"}


def test_no_partition_belongs_to_two_rooms() -> None:
    for one, other in product(ROOMS, ROOMS):
        assert one == other or not partitions_of(one) & partitions_of(other)


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_found_by_its_partitions(room: str) -> None:
    assert {room_of(key) for key in partitions_of(room)} == {room}


@pytest.mark.parametrize(
    "key",
    [
        "SignIn",
        "health",
        "0",
        "000",
        "-00",
        "a--00",
        "keynote",
        "keynote-0",
        "Keynote-00",
        "a_b-00",
        "keynote-00\n",
        "\u0660\u0660",
    ],
)
def test_other_partitions_belong_to_no_room(key: str) -> None:
    assert room_of(key) is None


def test_rooms_of_a_table_are_in_order() -> None:
    assert rooms_of([]) == [""]
    assert rooms_of(["shop-01", "SignIn", "hall-a-broadcast", "shop-00", "00"]) == ["", "hall-a", "shop"]


@pytest.mark.parametrize("name", ROOMS[1:])
def test_room_names_have_letters_digits_and_hyphens(name: str) -> None:
    assert is_room_name(name)


@pytest.mark.parametrize(
    "name", ["", "-", "a-", "-a", "a--b", "Hall", "hall_a", "hall a", "a/b", "a.b", "hallå", "a\n"]
)
def test_other_names_are_no_room_names(name: str) -> None:
    assert not is_room_name(name)
