"""`python -m signin COMMAND`, see operators/commands.py.

Importing that takes a moment, and Ctrl-C in that moment exits without a traceback.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from signin.operators.commands import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main(sys.argv[1:]))
