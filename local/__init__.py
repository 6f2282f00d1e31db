"""The local environment: everything the app needs to run and be tested on a laptop without Azure.

The app (`signin/`) knows nothing of this package: it reaches Azurite, the SignalR emulator and the
Functions host over the same protocols as it reaches Azure.
"""
