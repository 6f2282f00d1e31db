"""Start the app with everything around it, sign in once, and stop it: `python .github/smoke.py dev.py`.

The arguments are those of Python: the program to start, which prints "Ready: URL" once it can be used.
"""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.request import Request, urlopen

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


def main() -> None:
    with subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = ready(process)
            with urlopen(Request(f"{url}signin", method="POST", headers={"User-Agent": BROWSER}), timeout=30) as reply:
                total = json.load(reply)["stats"]["totalNumber"]
            print(f"Signed in; the total is {total}.", flush=True)
        finally:
            stop(process)
    if total < 1:
        sys.exit("The visit was not counted.")


def ready(process: subprocess.Popen[str]) -> str:
    """Wait until the app can be used; its URL, with a trailing slash."""
    for line in process.stdout or ():
        print(line, end="", flush=True)
        if line.startswith("Ready: "):
            return line.split()[1]
    sys.exit("It ended before it was ready.")


def stop(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":  # dev.py waits for a child there, which a signal to dev.py does not reach
        subprocess.run(["taskkill", "/pid", str(process.pid), "/t", "/f"], check=True)
    else:
        process.terminate()


if __name__ == "__main__":
    main()
