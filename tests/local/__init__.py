"""Tests of the local environment: `local` and dev.py."""
