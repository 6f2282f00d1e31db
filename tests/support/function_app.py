"""The app's `function_app` module, loaded anew: an app lists its functions only once."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec
from types import ModuleType


def load() -> ModuleType:
    """A `function_app` of the caller's own."""
    spec = find_spec("function_app")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
