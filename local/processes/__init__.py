"""Child processes and programs: started with a pipe as their lifeline, ended in good order, never left behind.

`child` is the parent's side and `lifetime` the child's; `guard` ends programs that use neither, and
`exit_with_parent.cjs` does the same for Node. `program` has the signals and exit codes of programs that people start;
`limits` raises the number of open connections; `listening` has the addresses of the emulators, and needs aiohttp.
Imports nothing of `local` but `progress`.
"""
