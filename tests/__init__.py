"""The tests; `python3 dev.py test` runs them all."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.support")  # so that its assertions, too, report the values they compare
