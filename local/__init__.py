"""The local environment: stands in for Azure on a laptop, so that the app runs and is tested without an account.

    commands.py   the commands of dev.py; it may import everything below
    browser/      headless browsers, and what the project does with them: audit and pictures of the homepage
    environment/  Azurite, the SignalR emulator and the app, started together
    emulators/    the three stand-ins: Azurite (Azure Storage), the SignalR service, the Functions host
    publishing/   the content into Blob Storage, and the package that is deployed
    processes/    child processes: how they start, end, and how much they may open
    health.py     waits until a deployed app is healthy (standard library only)
    lint.py       static checks of the source
    compatibility/ the browsers that the page supports, and what the oldest of them lack
    node.py       Node and the npm packages
    installers.py pip and npm, without settings that change what they install (standard library only)
    progress.py   steps of a set-up, shown with their time (standard library only)
    hints.py      what to do about a failed installation (standard library only)
    files.py      errors of files, and one installation at a time (standard library only)

Each may import only those below it. `signin/` never imports this package: the app uses the same protocols
here as in Azure.
"""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
