"""`python -m signin COMMAND`: see commands.py, which takes a moment to load; Ctrl-C in that moment is no error."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from signin.operators.commands import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main(sys.argv[1:]))
