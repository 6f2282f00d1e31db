"""The commands `python -m signin audit | repair | adopt | export`. They work on the table; the app may be running.

`commands` is the command line; `audit`, `repair`, `adopt` and `export` are one command each. `recount` counts the rows
of a shard for the first two.
May import all other packages and `signin.settings`, but not `signin.app`.
"""
