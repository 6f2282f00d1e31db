"""The commands `python -m signin audit | adopt | export`, which work on the table while the app may be running.

`commands` is the command line; `audit`, `adopt` and `export` are one command each.
May import all other packages and `signin.settings`, but not `signin.app`.
"""
