"""What is said on a connection: a handshake, then messages in the hub protocol that it has named.

Specification: dotnet/aspnetcore, src/SignalR/docs/specs/HubProtocol.md. Nothing here does I/O.
"""

from local.emulators.signalr.protocols.hub_protocol import HubProtocol
from local.emulators.signalr.protocols.json_protocol import JsonProtocol
from local.emulators.signalr.protocols.messagepack_protocol import MessagePackProtocol

JSON = JsonProtocol()
MESSAGEPACK = MessagePackProtocol()

# By the name that a handshake gives.
PROTOCOLS: dict[str, HubProtocol] = {protocol.name: protocol for protocol in (JSON, MESSAGEPACK)}
