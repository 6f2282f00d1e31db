"""The messages on a connection: a handshake, which names a hub protocol, then messages in that protocol.

Specification: dotnet/aspnetcore, src/SignalR/docs/specs/HubProtocol.md. Nothing here does I/O.
"""

from local.emulators.signalr.protocols.hub_protocol import HubProtocol
from local.emulators.signalr.protocols.json_protocol import JsonProtocol
from local.emulators.signalr.protocols.messagepack_protocol import MessagePackProtocol

JSON = JsonProtocol()
MESSAGEPACK = MessagePackProtocol()

# By their names in the handshake.
PROTOCOLS: dict[str, HubProtocol] = {protocol.name: protocol for protocol in (JSON, MESSAGEPACK)}
