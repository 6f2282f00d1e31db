"""What operators see: log lines, each written once, and the counts and durations of every minute.

`console` decides which way a log record takes under the Functions host, `metrics` counts.
Imports no other package of the app.
"""
