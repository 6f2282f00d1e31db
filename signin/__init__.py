"""Realtime Sign-in: a live visitor counter on Azure Functions, Table Storage and SignalR Service.

A package is a part of the architecture. Imports go downwards only:

    app, responses, badges, health, operators    put the parts together
    live                                         pushes the statistics to every open page
    counting, website                            records visits; serves the static content
    visits, identity, network, telemetry         values; access tokens; HTTP; logs and metrics

`settings` reads the environment; `__main__` is the operators' command line. docs/architecture.md has the reasons.
"""
