"""Logs and metrics for operators.

`console` prints the log records that the Functions host would drop, `metrics` logs counts and durations each minute,
`outage` the beginning and the end of a row of failures, with the notes of the errors.
Imports no other package of the app.
"""
