"""The last state reaches every open page in spite of failures.

Everything is real: the app in worker processes, Azurite, the SignalR emulator, and pages made of the homepage's own
modules with the real SignalR client, many in one Node process (pages.mjs). The tests stop services, kill processes,
cut connections and refuse requests.

At the end of each test every page shows exactly the total of the table, and no page ever showed a smaller number after
a larger one. There are no visits any more by then: a page got its total from a broadcast, or requested it by itself.
"""
