"""Logs and metrics for operators.

`console` prints the log records that the Functions host would drop, `metrics` logs counts and durations each minute.
Imports no other package of the app.
"""
