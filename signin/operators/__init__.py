"""The commands `python -m signin audit | adopt | export`. They work on the table, also while the app is running.

`commands` is the command line; `audit`, `adopt` and `export` are one command each.
May import all other packages and `signin.settings`, but not `signin.app`.
"""
