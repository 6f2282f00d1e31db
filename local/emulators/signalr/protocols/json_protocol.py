"""The JSON hub protocol: an object, then a record separator. Handshakes are in it too, whatever comes after them."""

from __future__ import annotations

import json
from typing import Any

from local.emulators.signalr.protocols.hub_protocol import HubProtocol, MessageType, ProtocolError, TransferFormat

RECORD_SEPARATOR = b"\x1e"


def encode(message: dict[str, Any]) -> bytes:
    """The message as one frame. Raises `ValueError` for numbers that JSON does not have: NaN and the infinities."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + RECORD_SEPARATOR


def decode(body: bytes) -> dict[str, Any]:
    """The message in a frame. Raises `ProtocolError`."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The message is not JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolError("The message is not a JSON object.")
    return message


class JsonProtocol(HubProtocol):
    """What browsers speak unless they are told otherwise."""

    name = "json"
    transfer_format = TransferFormat.TEXT
    ping = encode({"type": MessageType.PING})

    def invocation(self, target: str, arguments: list[Any]) -> bytes:
        # Without an `invocationId`: where it is null the JS client throws.
        return encode({"type": MessageType.INVOCATION, "target": target, "arguments": arguments})

    def close(self, error: str | None, allow_reconnect: bool) -> bytes:
        reason = {"error": error} if error else {}
        reconnect = {"allowReconnect": True} if allow_reconnect else {}
        return encode({"type": MessageType.CLOSE, **reason, **reconnect})

    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        *bodies, rest = data.split(RECORD_SEPARATOR)
        return bodies, rest

    def message_type(self, body: bytes) -> int:
        kind = decode(body).get("type")
        if not isinstance(kind, int):
            raise ProtocolError("The message has no 'type' number.")
        return kind
