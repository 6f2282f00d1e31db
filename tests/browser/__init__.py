"""The whole system, as visitors see it: real pages in a real browser, on the local app and services."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.site", f"{__name__}.visitor")  # their assertions, too, report the values
