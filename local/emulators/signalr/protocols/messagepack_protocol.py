"""The MessagePack hub protocol: the length of an array, then the array."""

from __future__ import annotations

from typing import Any

import msgpack

from local.emulators.signalr.protocols.hub_protocol import HubProtocol, MessageType, ProtocolError, TransferFormat

MAX_PREFIX_BYTES = 5  # a length has at most 32 bits, seven of them in each byte


def encode(message: list[Any]) -> bytes:
    """Encode a message as one frame. An integer of more than 64 bits becomes a float, as in JavaScript.

    Raises `ValueError` for text that is not Unicode and for values that are nested too deeply, `OverflowError` for an
    integer that is too large for a float.
    """
    body: bytes = msgpack.packb(message, default=float)
    return length_prefix(len(body)) + body


def length_prefix(length: int) -> bytes:
    """The length as a VarInt: seven bits a byte, the lowest first; the high bit is set if another byte follows."""
    prefix = bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix)


def read_length_prefix(data: bytes, start: int) -> tuple[int, int] | None:
    """Read the length at `start`, and return it with the index after it; None if it is incomplete.

    Raises `ProtocolError`.
    """
    length = 0
    for index, byte in enumerate(data[start : start + MAX_PREFIX_BYTES]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return length, start + index + 1
    if len(data) - start >= MAX_PREFIX_BYTES:
        raise ProtocolError(f"The length of the message has more than {MAX_PREFIX_BYTES} bytes.")
    return None


class MessagePackProtocol(HubProtocol):
    """The more compact protocol, for clients with a MessagePack library."""

    name = "messagepack"
    transfer_format = TransferFormat.BINARY
    ping = encode([MessageType.PING])

    def invocation(self, target: str, arguments: list[Any]) -> bytes:
        # No headers, no invocation id since no response is expected, and no streams.
        return encode([MessageType.INVOCATION, {}, None, target, arguments, []])

    def close(self, error: str | None, allow_reconnect: bool) -> bytes:
        return encode([MessageType.CLOSE, error, allow_reconnect])

    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        bodies, start = [], 0
        while prefix := read_length_prefix(data, start):
            length, body = prefix
            if body + length > len(data):
                break
            bodies.append(data[body : body + length])
            start = body + length
        return bodies, data[start:]

    def message_type(self, body: bytes) -> int:
        try:
            message = msgpack.unpackb(body)
        except (ValueError, RecursionError, msgpack.UnpackException) as error:
            raise ProtocolError("The message is not MessagePack.") from error
        if not isinstance(message, list) or not message or not isinstance(message[0], int):
            raise ProtocolError("The message is not an array that begins with its type.")
        return message[0]
