"""What a JSON schema may cost, counted before the engine sees it.

The grammar of a few kilobytes of schema can take minutes, in which no other request is answered:
patterns that all have to hold are intersected (40 of them: more than a minute), 500 property
patterns as well, and the multiples of 1,000,003 have as many states.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

MOST_BYTES = 200_000
MOST_VALUES = 10_000  # of keys, items and numbers in all
MOST_DEPTH = 60
MOST_TOGETHER = 10  # schemas of `allOf` that hold at the same time; 10 patterns take 0.1 s
MOST_PROPERTY_PATTERNS = 100  # in all; they take 0.3 s
MOST_PATTERN = 2_000  # characters
MOST_MULTIPLE = 100_000  # of multipleOf, without its decimal point; it takes 0.3 s
# What most schemas are made of: their grammar is compiled at once, so it need not be tried before.
EASY = {"type", "properties", "required", "items", "enum", "const", "additionalProperties"}
TEXTS = {"title", "description"}
MOST_EASY = 100  # keys and values


def excess(schema: dict[str, Any], size: int) -> str | None:
    """Return what a schema has too much of; None where it may be used.

    Args:
        schema: the schema.
        size: its bytes as JSON.
    """
    if size > MOST_BYTES:
        return f"it has {size:,} bytes; the most is {MOST_BYTES:,}"
    names = 0
    for values, (depth, key, value) in enumerate(_walk(schema), start=1):
        if depth > MOST_DEPTH:
            return f"it is nested more than {MOST_DEPTH} levels deep"
        if values > MOST_VALUES:
            return f"it has more than {MOST_VALUES:,} keys and values"
        if key == "pattern" and isinstance(value, str) and len(value) > MOST_PATTERN:
            return f"a pattern has more than {MOST_PATTERN:,} characters"
        if key == "patternProperties" and isinstance(value, dict):
            names += len(value)
            if names > MOST_PROPERTY_PATTERNS:
                return f"it has more than {MOST_PROPERTY_PATTERNS} patterns of properties"
        if key == "multipleOf" and _coefficient(value) > MOST_MULTIPLE:
            return f"multipleOf, without its decimal point, is more than {MOST_MULTIPLE:,}"
    try:
        together = _together(schema, schema, {})
    except RecursionError:
        return "its references form too long a chain"
    if together > MOST_TOGETHER:
        return f"more than {MOST_TOGETHER} schemas of allOf have to hold at the same time"
    return None


def is_easy(text: str) -> bool:
    """Return whether a schema within the budget, as JSON, needs no trial."""
    schema = json.loads(text)
    return len(text) < 10_000 and sum(1 for _ in _walk(schema)) <= MOST_EASY and _is_easy(schema)


def _is_easy(schema: Any) -> bool:
    """Return whether a schema has only such keywords, at every level."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or not set(schema) <= EASY | TEXTS:
        return False
    named = schema.get("properties", {})
    inner = [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return isinstance(named, dict) and all(map(_is_easy, [*named.values(), *inner]))


def _walk(schema: Any) -> Iterator[tuple[int, Any, Any]]:
    """Yield the depth, the key and the value of everything in a schema, without recursion."""
    left: list[tuple[int, Any, Any]] = [(0, None, schema)]
    while left:
        depth, key, value = left.pop()
        yield depth, key, value
        if isinstance(value, dict):
            left += [(depth + 1, name, inner) for name, inner in value.items()]
        elif isinstance(value, list):
            left += [(depth + 1, None, inner) for inner in value]


def _together(part: Any, schema: dict[str, Any], known: dict[str, int]) -> int:
    """Return the most schemas that have to hold at the same time, references followed.

    Args:
        part: of the schema.
        schema: the whole.
        known: reference -> what was found for it, and 1 while it is looked at.
    """
    if isinstance(part, list):
        return max((_together(inner, schema, known) for inner in part), default=1)
    if not isinstance(part, dict):
        return 1
    every, reference = part.get("allOf"), part.get("$ref")
    found = 1
    if isinstance(every, list):
        found = sum(_together(inner, schema, known) for inner in every)
    if isinstance(reference, str):
        if reference not in known:
            known[reference] = 1
            known[reference] = _together(_target(schema, reference), schema, known)
        found += known[reference] - 1
    rest = [inner for name, inner in part.items() if name not in ("allOf", "$ref")]
    return max(found, _together(rest, schema, known))


def _target(schema: dict[str, Any], reference: str) -> Any:
    """Return what `#/...` refers to; None for anything else."""
    found: Any = schema if reference.startswith("#/") else None
    for name in reference.split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _coefficient(number: Any) -> int:
    """Return a number without its decimal point: 12 for 0.12, 1,200 for 1200."""
    try:
        _, digits, exponent = Decimal(str(number)).as_tuple()
    except InvalidOperation:
        return 0
    if not isinstance(exponent, int):  # not a number, or infinite
        return 0
    return int("".join(map(str, digits))) * 10 ** max(0, exponent)
