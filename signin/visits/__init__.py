"""Visits and their statistics: pure values.

`filter` decides which requests are visits, and `origins` which other websites may show the count; `dimensions` lists
what visits are counted by, and `user_agent`, `countries` and `languages` find the labels; `visit` is one visit,
`statistics` and `history` are sums of visits.
Nothing here blocks or depends on Azure, and nothing here imports another package of the app. The only I/O is at import:
the tables of packages are read.
"""
