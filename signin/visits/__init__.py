"""Visits and their statistics: pure values.

`visit` decides which requests are visits, `user_agent` finds the labels of a visit, `statistics` and `history` are sums
of visits. Nothing here does I/O, blocks or depends on Azure, and nothing here imports another package of the app.
"""
