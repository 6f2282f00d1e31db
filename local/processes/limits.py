"""How much this process, and those that it starts, may have open at once."""

from __future__ import annotations

import sys

if sys.platform == "win32":

    def allow_connections(count: int) -> None:
        """Nothing is to be done: Windows has no such limit."""

else:
    import resource

    _OTHER_FILES = 200

    def allow_connections(count: int) -> None:
        """Allow so many connections, where the system lets us; the usual limit is 1,024 or less."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(count + _OTHER_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
