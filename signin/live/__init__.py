"""Live updates: broadcast the newest statistics to every open page, at most once per interval for the whole app.

`broadcaster` decides when to send, `lease` lets one process at a time send, `hub` calls Azure SignalR Service and
`connection_string` parses its address and key. May import counting, visits, identity, network and telemetry.
"""
