"""How frames get from a connection to its client and back: one WebSocket, or HTTP requests.

Specification: dotnet/aspnetcore, src/SignalR/docs/specs/TransportProtocols.md.
"""

from local.emulators.signalr.transports.long_polling import LongPolling
from local.emulators.signalr.transports.server_sent_events import ServerSentEvents
from local.emulators.signalr.transports.transport import Transport
from local.emulators.signalr.transports.web_socket import WebSocket

# In the order in which clients try them.
TRANSPORTS: tuple[type[Transport], ...] = (WebSocket, ServerSentEvents, LongPolling)

__all__ = ["TRANSPORTS", "LongPolling", "ServerSentEvents", "Transport", "WebSocket"]
