"""A whole environment: Azurite, the SignalR emulator and the app, started together on chosen ports.

`ports` has the ports, their flags and the check that they are free; `lan` finds the address for phones; `data` has the
folder of Azurite's files; `services` starts the processes, creates table, container and content, and returns the app's
settings.
Imports `emulators`, `publishing` and `processes`.
"""
