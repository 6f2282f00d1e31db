"""The push path: the newest statistics reach every open page, at most one broadcast an interval for the whole app.

`broadcaster` decides when to send, `lease` makes the processes agree on who sends, `hub` talks to Azure SignalR
Service, whose `connection_string` says where it is. May import counting, visits, identity and telemetry.
"""
