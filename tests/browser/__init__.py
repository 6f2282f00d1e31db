"""The whole thing, as visitors see it: real pages in a real browser, on the app and services as run locally."""

import pytest

# So that their assertions say what was compared, as those of the tests do.
pytest.register_assert_rewrite(f"{__name__}.site", f"{__name__}.visitor")
