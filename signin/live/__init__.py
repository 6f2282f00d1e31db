"""Live updates: broadcast the newest statistics of a counter to every open page of it, at most once per interval.

`broadcaster` decides when to send, `pace` how long the interval is, and `lease` lets one process at a time send. `hub`
calls Azure SignalR Service, and `connection_string` parses its address and key. `open_pages` counts the pages that are
open, and `here` exchanges these counts with other processes. May import counting, visits, identity, network and
telemetry.
"""
