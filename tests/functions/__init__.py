"""Tests of the Functions host stand-in."""
