"""The SignalR emulator: what it does, what it refuses, and that clients written by others get on with it."""
