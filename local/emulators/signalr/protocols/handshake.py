"""The handshake: the client names its hub protocol. Request and response are JSON."""

from __future__ import annotations

from local.emulators.signalr.protocols import PROTOCOLS
from local.emulators.signalr.protocols.hub_protocol import HubProtocol, ProtocolError
from local.emulators.signalr.protocols.json_protocol import RECORD_SEPARATOR, decode, encode

ACCEPTED = encode({})


def refused(error: str) -> bytes:
    """The frame that refuses a handshake."""
    return encode({"error": error})


def read(data: bytes) -> tuple[HubProtocol, bytes] | None:
    """Parse `{"protocol":"json","version":1}`: the protocol and the data after the handshake; None if incomplete.

    Raises `ProtocolError`, with ASP.NET Core's messages, if the protocol or its version is not supported.
    """
    body, separator, rest = data.partition(RECORD_SEPARATOR)
    if not separator:
        return None
    request = decode(body)
    name, version = request.get("protocol"), request.get("version")
    if not isinstance(name, str) or not isinstance(version, int):
        raise ProtocolError("The handshake lacks a 'protocol' string or a 'version' number.")
    if name not in PROTOCOLS:
        raise ProtocolError(f"The protocol '{name}' is not supported.")
    if version > 1:  # ASP.NET Core accepts 0 as well, which signalrcore sends
        raise ProtocolError(f"The server does not support version {version} of the '{name}' protocol.")
    return PROTOCOLS[name], rest
