"""The limit on open files, which bounds the number of connections of this process and its children."""

from __future__ import annotations

import sys

if sys.platform == "win32":

    def allow_connections(count: int) -> None:
        """Do nothing: Windows has no such limit."""

else:
    import resource

    _OTHER_FILES = 200

    def allow_connections(count: int) -> None:
        """Raise the limit for so many connections, as far as the system allows; it usually is 1,024 or less."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(count + _OTHER_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
