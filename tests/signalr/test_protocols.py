"""The hub protocols: the form of frames, and that they are found in any pieces of the stream."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.emulators.signalr.protocols import JSON, MESSAGEPACK, PROTOCOLS
from local.emulators.signalr.protocols.hub_protocol import HubProtocol, ProtocolError
from local.emulators.signalr.protocols.messagepack_protocol import length_prefix, read_length_prefix

BOTH = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)

QUICKLY = settings(deadline=None, max_examples=50, database=None, suppress_health_check=[HealthCheck.too_slow])

# JSON values that MessagePack represents exactly.
INTEGERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=10,
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@BOTH
@QUICKLY
@given(
    arguments=st.lists(st.lists(JSON_VALUES, max_size=2), max_size=4), cuts=st.lists(st.integers(0, 300), max_size=5)
)
def test_split_finds_frames_in_any_pieces(protocol: HubProtocol, arguments: list[list[Any]], cuts: list[int]) -> None:
    frames = [protocol.invocation("x", each) for each in arguments]
    found, rest = [], b""
    for piece in pieces(b"".join(frames), cuts):
        bodies, rest = protocol.split(rest + piece)
        found += bodies
    assert rest == b""
    assert found == [body for frame in frames for body in protocol.split(frame)[0]]
    assert len(found) == len(frames)
    assert {protocol.message_type(body) for body in found} <= {1}


# --- JSON


def test_json_messages_match_specification() -> None:
    assert JSON.ping == b'{"type":6}\x1e'
    assert JSON.invocation("Send", [42, "€"]) == b'{"type":1,"target":"Send","arguments":[42,"\\u20ac"]}\x1e'
    assert JSON.close("why", allow_reconnect=False) == b'{"type":7,"error":"why"}\x1e'
    assert JSON.close(None, allow_reconnect=True) == b'{"type":7,"allowReconnect":true}\x1e'


# --- MessagePack


def test_messagepack_messages_match_specification() -> None:
    assert MESSAGEPACK.ping == b"\x02\x91\x06"
    invocation = b"\x96\x01\x80\xc0\xa6method\x91\x2a\x90"
    assert MESSAGEPACK.invocation("method", [42]) == bytes([len(invocation)]) + invocation
    assert MESSAGEPACK.close("xyz", allow_reconnect=False) == b"\x07\x93\x07\xa3xyz\xc2"
    assert MESSAGEPACK.close(None, allow_reconnect=True) == b"\x04\x93\x07\xc0\xc3"


@pytest.mark.parametrize(
    ("length", "prefix"),
    [(0x35, b"\x35"), (0x7F, b"\x7f"), (0x1480, b"\x80\x29"), (2**31 - 1, b"\xff\xff\xff\xff\x07")],
)
def test_length_prefix_matches_specification(length: int, prefix: bytes) -> None:
    assert length_prefix(length) == prefix
    assert read_length_prefix(b"??" + prefix + b"rest", 2) == (length, 2 + len(prefix))
    assert all(read_length_prefix(prefix[:end], 0) is None for end in range(len(prefix)))


def test_endless_length_is_refused() -> None:
    with pytest.raises(ProtocolError, match="more than 5 bytes"):
        MESSAGEPACK.split(b"\xff\xff\xff\xff\xff\x01")


@QUICKLY
@given(arguments=st.lists(JSON_VALUES, max_size=3))
def test_messagepack_keeps_json_values(arguments: list[Any]) -> None:
    (body,), _ = MESSAGEPACK.split(MESSAGEPACK.invocation("x", arguments))
    assert msgpack.unpackb(body)[4] == arguments


def test_integer_beyond_64_bits_becomes_float() -> None:
    (body,), _ = MESSAGEPACK.split(MESSAGEPACK.invocation("x", [2**64]))
    assert msgpack.unpackb(body)[4] == [2.0**64]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x91",
        b"\x91\x06\x06",
        b"\x91\xa1\xff",
        b"\x06",
        b"\x90",
        b"\x91\xa1x",
        b"\x81\x01\x02",
        b"\x91" * 2000,
    ],
    ids=[
        "nothing",
        "no type of MessagePack",
        "cut",
        "too long",
        "not UTF-8",
        "a number",
        "empty",
        "text",
        "map",
        "deep",
    ],
)
def test_invalid_messagepack_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="The message is not "):
        MESSAGEPACK.message_type(body)
