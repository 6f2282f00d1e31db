"""A local Azure SignalR Service in serverless mode: the client endpoints and the REST API, for development and tests.

Start it with `python -m local.signalr`. It takes the connection string of Microsoft's own emulator, and is stricter:
signature, audience and expiry of every token are checked, on the client's side and on the app's, so that what works
here is not refused by Azure. One thing it has that Azure has not: `GET /emulator/counters` tells what it has done, and
what that would have cost.

Where things are: `rest` is what the app calls, `client` what browsers do; `tokens` says who may. A client is a
`connection`, which speaks one of the `protocols` over one of the `transports`, and the `hubs` know them all. `counters`
count, and `server` puts everything behind a port.
"""
