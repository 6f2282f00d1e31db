"""The stand-ins for the three Azure services that the app needs.

`azurite` runs Microsoft's emulator of Azure Storage; `signalr/` and `functions/` are this project's own
emulators of Azure SignalR Service and of the Functions host, each a program: `python -m local.emulators.signalr`.
Imports `processes`, `publishing` and `node`; `signalr/` and `functions/` import only `processes.lifetime` and
`processes.listening`.
"""
