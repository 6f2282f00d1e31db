"""The JSON hub protocol: an object, then a record separator. Handshakes have this form in every protocol."""

from __future__ import annotations

import json
from typing import Any

from local.emulators.signalr.protocols.hub_protocol import HubProtocol, MessageType, ProtocolError, TransferFormat

RECORD_SEPARATOR = b"\x1e"


def encode(message: dict[str, Any]) -> bytes:
    """Encode a message as one frame. Raises `ValueError` for numbers that JSON lacks: NaN and the infinities."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + RECORD_SEPARATOR


def decode(body: bytes) -> dict[str, Any]:
    """Decode the body of a frame. Raises `ProtocolError`."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The message is not JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolError("The message is not a JSON object.")
    return message


class JsonProtocol(HubProtocol):
    """The default of the JavaScript client."""

    name = "json"
    transfer_format = TransferFormat.TEXT
    ping = encode({"type": MessageType.PING})

    def invocation(self, target: str, arguments: list[Any]) -> bytes:
        # No `invocationId`: the JavaScript client throws if it is null.
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
