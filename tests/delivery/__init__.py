"""The last state reaches every open page, whatever fails on its way.

Everything is real: the app in worker processes, Azurite, the SignalR emulator, and pages made of the homepage's own
modules with the real SignalR client, many in one Node process (pages.mjs). What fails is broken on purpose: services
stop, processes are killed, connections cut, requests refused.

At the end of each test every page shows exactly what the table holds, and none ever showed a smaller number after a
larger one. Nobody visits any more by then: what a page shows was told to it, or it has asked for it by itself.
"""
