"""A local Azure SignalR Service in serverless mode: the client endpoints and the REST API, for development and tests.

Start it with `python -m local.signalr`. It takes the connection string of Microsoft's own emulator, and is stricter:
signature, audience and expiry of every token are checked, on the client's side and on the app's, so that what works
here is not refused by Azure. Two things are not offered yet, and not advertised either: transports other than
WebSockets, and MessagePack.

Where things are: `client` and `rest` hold the endpoints, `tokens` who may call them, `hubs` who is connected where,
`conversation` one client's WebSocket, `protocol` the frames on it, `server` puts them behind a port.
"""
