"""docs/architecture.md names every module of the app, and names nothing that does not exist."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
MODULES = [
    path.relative_to(REPOSITORY).as_posix()
    for path in sorted(REPOSITORY.glob("signin/**/*.py"))
    if not path.name.startswith("__")
]
CLASSES = {
    name: value
    for module in MODULES
    for name, value in vars(importlib.import_module(module.removesuffix(".py").replace("/", "."))).items()
    if inspect.isclass(value)
}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_in_the_document(module: str) -> None:
    assert f"`{module}`" in DOCUMENT, f"docs/architecture.md does not say what {module} is for"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:signin|tests)/[\w/.]+)`", DOCUMENT))))
def test_file_in_the_document_exists(path: str) -> None:
    assert (REPOSITORY / path).is_file(), f"docs/architecture.md names {path}, which does not exist"


@pytest.mark.parametrize(("owner", "member"), sorted(set(re.findall(r"`([A-Z]\w+)\.(\w+)`", DOCUMENT))))
def test_method_in_the_document_exists(owner: str, member: str) -> None:
    assert owner in CLASSES, f"docs/architecture.md names the class {owner}, which does not exist"
    assert hasattr(CLASSES[owner], member), f"docs/architecture.md names {owner}.{member}, which does not exist"
