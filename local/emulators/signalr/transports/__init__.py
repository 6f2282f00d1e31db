"""The transports, which carry frames between a connection and its client: a WebSocket, or HTTP requests.

Specification: dotnet/aspnetcore, src/SignalR/docs/specs/TransportProtocols.md.
"""

from local.emulators.signalr.transports.long_polling import LongPolling
from local.emulators.signalr.transports.server_sent_events import ServerSentEvents
from local.emulators.signalr.transports.transport import HttpTransport
from local.emulators.signalr.transports.web_socket import WebSocket

# In the order in which clients try them.
TRANSPORTS: tuple[type[HttpTransport], ...] = (WebSocket, ServerSentEvents, LongPolling)

__all__ = ["TRANSPORTS", "HttpTransport", "LongPolling", "ServerSentEvents", "WebSocket"]
