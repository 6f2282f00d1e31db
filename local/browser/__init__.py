"""A headless Chromium, and what the project does with one.

`chromium` finds or installs it, `headless` starts it; `page_audit` scores the homepage with Lighthouse (its npm
packages are in `lighthouse/`, apart from the others for their size), `screenshots` draws the pictures in `docs/`
and `content/images/`.
Imports `environment` and what is below it.
"""
