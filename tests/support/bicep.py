"""Read Bicep with its tree-sitter grammar, and find in it what the compiler would refuse.

The compiler itself cannot be installed from a package index. This knows the parts of the language
that the template uses: names, references, property names and literal values against the types
that Azure publishes; it does not know the types of expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from tree_sitter import Node

TYPES = Path(__file__).parent / "azure" / "resource-types.yaml"
FUNCTIONS = {"deployer", "guid", "loadYamlContent", "replace", "resourceGroup", "subscription"}
FUNCTIONS |= {"subscriptionResourceId", "uniqueString"}


@dataclass(frozen=True)
class Expression:
    """Anything that is worked out at deployment; `names` are those that it refers to."""

    text: str
    names: tuple[str, ...]


@dataclass
class Declared:
    """One `param`, `var`, `resource` or `output`.

    Attributes:
        kind: param, var, resource or output.
        type: a param's or output's type, a resource's type@version.
        value: the default, value or body: dict, list, str, int, bool or Expression; None for none.
        decorators: name -> text of the arguments.
    """

    kind: str
    name: str
    type: str
    value: Any
    existing: bool
    decorators: dict[str, str]


@dataclass
class File:
    """A file's declarations by name (outputs apart), and what it refers to."""

    known: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, Declared] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    def of(self, kind: str) -> dict[str, Declared]:
        return {name: one for name, one in self.known.items() if one.kind == kind}


def read(text: str) -> File:
    """Parse a .bicep file, or a .bicepparam file (whose params then have a value and no type).

    Raises:
        ValueError: it is no Bicep, or says a name twice.
    """
    import tree_sitter
    import tree_sitter_bicep

    # The grammar has no .bicepparam: there a param is what a var is here.
    parameters = re.search(r"(?m)^using ", text) is not None
    source = re.sub(r"(?m)^param (?=\w+ =)", "var ", text) if parameters else text
    language = tree_sitter.Language(tree_sitter_bicep.language())
    root = tree_sitter.Parser(language).parse(source.encode()).root_node
    if root.has_error:
        raise ValueError(f"no Bicep: {_broken(root)}")
    given = set(re.findall(r"(?m)^param (\w+) =", text)) if parameters else set()
    found, decorators = File(), {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = {_text(c.children[0]): _text(c.children[1]) for d in node.named_children
                          for c in d.named_children}  # fmt: skip
        elif node.type.endswith("_declaration"):
            one = _declared(node, decorators)
            one.kind = "param" if one.name in given else one.kind
            place = found.outputs if one.kind == "output" else found.known
            if one.name in place:
                raise ValueError(f"{one.name} is declared twice")
            place[one.name] = one
            decorators = {}
        _collect(node, found)
    return found


def faults(file: File, types: dict[str, Any]) -> list[str]:
    """What is wrong, each in a few words; nothing is wrong with an empty list."""
    said = [f"{name} is not defined" for name in sorted(file.used - set(file.known))]
    said += [f"{name}() is not a function that is known" for name in file.functions - FUNCTIONS]
    said += [f"{name} is never used" for name in file.known
             if name not in file.used and file.known[name].kind != "resource"]  # fmt: skip
    for one in file.of("param").values():
        if "description" not in one.decorators:
            said.append(f"{one.name} is not described")
    for one in file.of("resource").values():
        if one.type not in types:
            said.append(f"{one.name}: {one.type} is not known")
        elif not one.existing:
            said += _compare(one.value, {**types[one.type], "parent": "any", "scope": "any",
                                         "dependsOn": "any", "name!": "any"}, one.name)  # fmt: skip
    return said


def known_types() -> dict[str, Any]:
    """type@version -> its properties; NAME! is required, a list holds the values it may have."""
    content: dict[str, Any] = yaml.safe_load(TYPES.read_text(encoding="utf-8"))
    return content


def _compare(value: Any, want: Any, where: str) -> Iterator[str]:
    if isinstance(value, Expression) or want == "any":
        return
    if isinstance(want, list):
        if value not in want:
            yield f"{where}: {value!r} is none of {want}"
    elif isinstance(want, dict):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        names = {key.rstrip("!"): inner for key, inner in want.items()}
        for key, inner in value.items():
            if key in names:
                yield from _compare(inner, names[key], f"{where}.{key}")
            elif "*" not in names:
                yield f"{where}: there is no property {key}"
        for key in want:
            if key.endswith("!") and key[:-1] not in value:
                yield f"{where}: {key[:-1]} is missing"
    elif not isinstance(value, {"string": str, "int": int, "bool": bool}[want]):
        yield f"{where}: {value!r} is no {want}"


def _declared(node: Node, decorators: dict[str, str]) -> Declared:
    kind = {"parameter": "param", "variable": "var"}.get(
        node.type.removesuffix("_declaration"), node.type.removesuffix("_declaration")
    )
    parts = [child for child in node.named_children if child.type != "comment"]
    name, rest = _text(parts[0]), parts[1:]
    type_ = ""
    if kind in ("param", "output", "resource") and rest:
        type_, rest = _text(rest[0]).strip("'"), rest[1:]
    existing = any(child.type == "existing" for child in node.children)
    value = _value(rest[-1]) if rest else None
    return Declared(kind, name, type_, value, existing, decorators)


def _value(node: Node) -> Any:
    if node.type == "object":
        pairs = [child.named_children for child in node.named_children
                 if child.type == "object_property"]  # fmt: skip
        return {_text(pair[0]).strip("'"): _value(pair[1]) for pair in pairs}
    if node.type == "array":
        return [_value(child) for child in node.named_children if child.type != "comment"]
    if node.type == "string" and all(c.type == "string_content" for c in node.named_children):
        return _text(node)[1:-1]
    if node.type == "number":
        return int(_text(node))
    if node.type == "boolean":
        return _text(node) == "true"
    found = File(used={_text(node)} if node.type == "identifier" else set())
    _collect(node, found)
    return Expression(_text(node), tuple(sorted(found.used)))


def _collect(node: Node, found: File) -> None:
    """The names and functions that a node refers to, below it too."""
    if node.type == "decorators":
        return
    for child in node.named_children:
        if node.type == "call_expression" and child == node.named_children[0]:
            found.functions.add(_text(child))
        elif child.type == "identifier" and not (
            (node.type.endswith("_declaration") and child == node.named_children[0])
            or (node.type == "object_property" and child == node.named_children[0])
        ):
            found.used.add(_text(child))
        _collect(child, found)


def _broken(node: Node) -> str:
    for child in node.children:
        if child.has_error:
            return _broken(child)
    return f"line {node.start_point[0] + 1}: {_text(node)[:60]!r}"


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()
