"""Headless browsers, and what the project does with them.

`chromium` and `firefox` find or install one, with `installation` for both; `headless` starts it; `page_audit` scores
the homepage with Lighthouse (its npm packages are in `lighthouse/`, apart from the others for their size),
`screenshots` draws the pictures in `docs/` and `content/images/`.
Imports `environment` and what is below it.
"""
