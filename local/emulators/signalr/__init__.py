"""An emulator of Azure SignalR Service in serverless mode: the client endpoints and the REST API.

`python -m local.emulators.signalr` starts it. It takes the connection string of Microsoft's own emulator and is
stricter: it checks signature, audience and expiry of every token, of clients and of the app, so that Azure accepts
the tokens that work here. It has one endpoint that Azure lacks: `GET /emulator/counters` returns the number of
connections, broadcasts and billed messages.

    rest         the API that the app calls           connection   one client, from negotiation to end
    client       the endpoints that browsers call     protocols/   JSON and MessagePack
    tokens       checks and issues access tokens      transports/  WebSockets, server-sent events, long polling
    server       the application and its port         hubs         the connections of each hub, and broadcasts
    counters     numbers for tests                    outbox       the frames that wait for one client
"""
