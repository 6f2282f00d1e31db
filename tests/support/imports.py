"""Which modules of the repository import which, according to their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from local import REPOSITORY

Files = Mapping[str, Path]  # by module name
Imports = Mapping[str, AbstractSet[str]]  # module: the modules that it imports


def module_files(*patterns: str) -> Files:
    """The files of the repository that match one of these glob patterns."""
    return {_module_name(path): path for pattern in patterns for path in sorted(REPOSITORY.glob(pattern))}


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imported(name: str, source: str, files: Files) -> Iterator[str]:
    """Every module that a module imports, also inside functions and for type checking only."""
    is_package = name in files and files[name].name == "__init__.py"
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) + 1 - node.level] if node.level else []
            parent = ".".join([*origin, *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{parent}.{alias.name}"
                yield submodule if submodule in files else parent


def imports_of(files: Files) -> Imports:
    """The imports of all these modules."""
    return {name: set(imported(name, path.read_text(encoding="utf-8"), files)) for name, path in files.items()}


def cycle(imports: Imports) -> list[str]:
    """The modules of an import cycle, each of which imports the next; empty if there is none."""
    try:
        TopologicalSorter({module: targets & imports.keys() for module, targets in imports.items()}).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []
