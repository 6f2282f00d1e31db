"""Tests of the SignalR emulator: its responses, its errors, and its conformance with clients of other authors."""
