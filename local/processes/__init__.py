"""Child processes: started with a pipe as their lifeline, ended in good order, and never left behind.

`child` is the parent's side and `lifetime` the child's; `guard` ends programs that know nothing of either, and
`exit_with_parent.cjs` does the same for Node. `limits` raises the number of open connections.
Imports nothing of `local` but `progress`.
"""
