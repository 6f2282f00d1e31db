"""Realtime Sign-in: a live visitor counter on Azure Functions, Table Storage and SignalR Service.

The path of a visit, one module a step:

    visit.py        what is recorded of a visitor, and who is not counted; user_agent.py knows them by their labels
    committer.py    group commit: everybody who is waiting, in one transaction, exactly once
    table.py        the entity group transaction and what its answers mean
    statistics.py   total, by operating system, browser and device: a value that only grows
    history.py      and over time, by minute, hour and day
    counter.py      the sum over all shards, as this process knows it
    broadcaster.py  the newest statistics to every open page, at most once per interval
    turns.py        and that for the app as a whole, whichever process sends them
    signalr.py      client tokens and the REST API of Azure SignalR Service

The path of a page:

    content.py         which blob a path means, an index, a redirect, or the 404 page
    cache.py           what is in memory, and when Blob Storage is asked; of bounded size by lru.py
    blobs.py           the container, read over HTTP
    representation.py  encoding, conditions and ranges
    security.py        the headers that keep a page to what it is meant to do

Without keys: identity.py is who the app is in Microsoft Entra ID, tokens.py keeps what it was given.

Beside them: badge.py draws the total, health.py checks the three services, metrics.py counts what happens, settings.py
and connection_string.py read the environment, app.py puts the parts together, joined.py lets many callers share one
reading, answers.py turns results into HTTP.

For operators there is `python -m signin` (commands.py): audit.py counts every row anew, adopt.py brings in the visits
of Microsoft's C# sample, export.py writes CSV.
"""
