"""`python guard.py COMMAND…`: run a command, and kill it with all its children when standard input ends.

For programs that do not use lifetime.py. Start it in a session of its own: it kills that whole session, itself
included. Standard library only: dev.py runs without packages.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(str(error))
    threading.Thread(target=_kill_at_end_of_input, args=(process,), daemon=True).start()
    sys.exit(process.wait())


def _kill_at_end_of_input(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
