"""`python -m local COMMAND …`: runs a command of dev.py."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from local.commands import main
    except KeyboardInterrupt:  # Ctrl-C during the import, which takes a second, is no error
        sys.exit(130)
    main()
