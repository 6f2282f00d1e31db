"""The browsers that the page supports, and what the oldest of them lack.

`browsers.mjs` reads "browserslist" in package.json, and `missing.mjs` and `styles.mjs` find out what one of these
browsers lacks, out of @mdn/browser-compat-data. `eslint.mjs` keeps it out of the page's source, and `older.mjs` makes a
new browser like the oldest ones for the tests. The npm packages are here, apart from the others for their size.
"""

from pathlib import Path

from local.node import install_packages

FOLDER = Path(__file__).parent


def install() -> None:
    """Install the npm packages. Raises StepFailed."""
    install_packages(FOLDER, "Data about browsers")
