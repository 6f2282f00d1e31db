"""The JSON hub protocol: what the frames on a client's WebSocket say.

Specification: dotnet/aspnetcore, src/SignalR/docs/specs/HubProtocol.md. Nothing here does I/O.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

RECORD_SEPARATOR = "\x1e"

# Serverless clients only listen: they send a handshake, pings and perhaps a close. ASP.NET Core's own limit is ample.
MAX_FRAME_BYTES = 32 * 1024


class MessageType(IntEnum):
    """The `type` member of every frame after the handshake."""

    INVOCATION = 1
    STREAM_ITEM = 2
    COMPLETION = 3
    STREAM_INVOCATION = 4
    CANCEL_INVOCATION = 5
    PING = 6
    CLOSE = 7


class ProtocolError(Exception):
    """A client broke the protocol; the message says how, to the client and to the log."""


def encode(message: dict[str, Any]) -> str:
    """The message as one frame. Raises `ValueError` for numbers that JSON does not have: NaN and the infinities."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")) + RECORD_SEPARATOR


HANDSHAKE_ACCEPTED = encode({})
PING = encode({"type": MessageType.PING})
# Ends a connection and asks the client to come back, which it does if it reconnects at all.
CLOSE_AND_RECONNECT = encode({"type": MessageType.CLOSE, "allowReconnect": True})


def handshake_refused(error: str) -> str:
    """The frame that answers a handshake with an error."""
    return encode({"error": error})


def invocation(target: str, arguments: list[Any]) -> str:
    """The frame that calls `target` on a client. No `invocationId`: no answer is wanted; null breaks the JS client."""
    return encode({"type": MessageType.INVOCATION, "target": target, "arguments": arguments})


def close(error: str) -> str:
    """The frame that ends a connection for good."""
    return encode({"type": MessageType.CLOSE, "error": error})


def check_handshake(frame: bytes) -> None:
    """Accept `{"protocol":"json","version":1}`; raise `ProtocolError`, in ASP.NET Core's words, for anything else."""
    request = _decode(frame)
    name, version = request.get("protocol"), request.get("version")
    if not isinstance(name, str) or not isinstance(version, int):
        raise ProtocolError("The handshake lacks a 'protocol' string or a 'version' number.")
    if name != "json":
        raise ProtocolError(f"The protocol '{name}' is not supported.")
    if version != 1:
        raise ProtocolError(f"The server does not support version {version} of the '{name}' protocol.")


def message_type(frame: bytes) -> int:
    """The type of a frame. Raises `ProtocolError` if it has none."""
    kind = _decode(frame).get("type")
    if not isinstance(kind, int):
        raise ProtocolError("The message has no 'type' number.")
    return kind


def _decode(frame: bytes) -> dict[str, Any]:
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The message is not JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolError("The message is not a JSON object.")
    return message


class FrameBuffer:
    """Cuts what arrives into frames: one need not arrive in one piece, nor a piece hold just one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, without their separators. Raises `ProtocolError` if one grows too long."""
        *frames, self._rest = (self._rest + data).split(RECORD_SEPARATOR.encode())
        if len(self._rest) > MAX_FRAME_BYTES:
            raise ProtocolError(f"The message is longer than {MAX_FRAME_BYTES} bytes.")
        return frames

    def end(self) -> None:
        """Nothing more will arrive. Raises `ProtocolError` if that is in the middle of a frame."""
        if self._rest:
            raise ProtocolError("The message ended before its record separator.")
