"""What a visit is and what a set of visits adds up to: pure values.

`visit` is one visit and which requests are visits, `user_agent` finds its labels, `statistics` and `history` are the
sums. Nothing here does I/O, waits or knows Azure, and nothing here imports another package of the app.
"""
