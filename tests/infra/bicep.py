"""Reads the declarations of Bicep files and their values. Only the syntax: the Bicep compiler is no package of PyPI or
npm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).parents[2] / "infra"
FILES = sorted(INFRA.glob("*.bicep"))

# An object as dict, an array as list, a literal as str, int or bool, and anything else as Expression.
Value = Any


class Expression(str):
    """The text of an expression that only a deployment can evaluate."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource. The type of a nested one begins with the type of its parent."""

    type: str
    version: str
    existing: bool
    body: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Module:
    """The file of a module, the parameters that are passed to it, and the modules that it waits for."""

    file: str
    params: Mapping[str, Value]
    waits_for: Set[str]


@dataclass(slots=True)
class Bicep:
    """What a file declares, by symbolic name."""

    syntax_errors: list[str] = field(default_factory=list)
    params: dict[str, bool] = field(default_factory=dict)  # name: whether it has a default
    allowed: dict[str, list[Value]] = field(default_factory=dict)
    metadata: dict[str, Value] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    referred_to: set[str] = field(default_factory=set)  # the first name of each expression
    members: set[tuple[str, ...]] = field(default_factory=set)  # e.g. ("storage", "outputs", "name")


@cache
def read(name: str) -> Bicep:
    """Read a file of infra/."""
    parser = Parser(Language(tree_sitter_bicep.language()))
    root = parser.parse((INFRA / name).read_bytes()).root_node
    bicep = Bicep()
    for node in _all(root):
        if node.type == "ERROR" or node.is_missing:
            bicep.syntax_errors.append(f"{name}:{node.start_point[0] + 1}: {_text(node)!r}")
    decorators: list[Node] = []
    for node in root.named_children:
        if node.type == "decorators":
            decorators = node.named_children
            continue
        _declare(bicep, node, decorators)
        decorators = []
    for node in _all(root):
        _refer(bicep, node)
    return bicep


def _declare(bicep: Bicep, node: Node, decorators: list[Node]) -> None:
    parts = [part for part in node.named_children if part.type != "comment"]
    name = _text(parts[0]) if parts else ""
    match node.type:
        case "parameter_declaration":
            bicep.params[name] = len(parts) > 2
            for decorator in decorators:
                call = decorator.named_children[0]
                decorated = {"allowed": bicep.allowed, "metadata": bicep.metadata}.get(_text(call.named_children[0]))
                if decorated is not None:
                    decorated[name] = _value(call.named_children[1].named_children[0])
        case "variable_declaration":
            bicep.variables[name] = _value(parts[1])
        case "output_declaration":
            bicep.outputs.add(name)
        case "module_declaration":
            body = _value(_body(parts[2]))
            waits_for = {*re.findall(r"\b(\w+)\.outputs\b", _text(parts[2])), *map(str, body.get("dependsOn", []))}
            bicep.modules[name] = Module(_value(parts[1]), body.get("params", {}), waits_for)
        case "resource_declaration":
            _declare_resource(bicep, node, Resource("", "", existing=False, body={}))


def _declare_resource(bicep: Bicep, node: Node, parent: Resource) -> None:
    symbol, type_and_version, value = (part for part in node.named_children if part.type != "comment")
    kind, _, version = _value(type_and_version).partition("@")
    body = _body(value)
    resource = Resource(
        f"{parent.type}/{kind}".lstrip("/"),
        version or parent.version,
        any(child.type == "existing" for child in node.children),
        _value(body),
    )
    bicep.resources[_text(symbol)] = resource
    for item in body.named_children:
        for child in item.named_children:
            if child.type == "resource_declaration":
                _declare_resource(bicep, child, resource)


def _body(node: Node) -> Node:
    """The object of a declaration, without a condition or a loop before it."""
    while node.type in ("if_statement", "for_statement"):
        node = node.named_children[-1]
    return node


def _value(node: Node) -> Value:
    match node.type:
        case "object":
            pairs = (item.named_children for item in node.named_children if item.type == "object_property")
            return {_key(pair[0]): _value(pair[-1]) for pair in pairs if pair[0].type != "resource_declaration"}
        case "array":
            return [_value(item) for item in node.named_children if item.type != "comment"]
        case "string" if all(part.type == "string_content" for part in node.named_children):
            return _text(node)[1:-1]
        case "number":
            return int(_text(node))
        case "boolean":
            return _text(node) == "true"
    return Expression(_text(node))


def _key(node: Node) -> str:
    return _text(node).strip("'")


def _refer(bicep: Bicep, node: Node) -> None:
    """Record the reference of an identifier, if an expression begins with it."""
    parent = node.parent
    if node.type != "identifier" or parent is None:
        return
    declares = parent.type.endswith("_declaration") and parent.named_children[0] == node
    is_key = parent.type == "object_property" and parent.named_children[0] == node and len(parent.named_children) > 1
    is_called = parent.type == "call_expression"
    loops = parent.type == "for_statement" and parent.named_children[0] == node
    continues = parent.type == "resource_expression" and parent.named_children[0] != node
    if declares or is_key or is_called or loops or continues or _in_loop_over(node):
        return
    bicep.referred_to.add(_text(node))
    path = [_text(node)]
    while parent is not None and parent.type == "member_expression" and len(parent.named_children) == 2:
        path.append(_text(parent.named_children[1]))
        parent = parent.parent
    bicep.members.add(tuple(path))


def _in_loop_over(node: Node) -> bool:
    """Whether the identifier is the variable of an enclosing loop."""
    parent = node.parent
    while parent is not None:
        if parent.type == "for_statement" and _text(parent.named_children[0]) == _text(node):
            return parent.named_children[1] != node  # the array that it runs over may have the same name
        parent = parent.parent
    return False


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _text(node: Node) -> str:
    return (node.text or b"").decode()
