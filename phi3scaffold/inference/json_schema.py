"""Answers that keep to a JSON schema: the grammar that holds a model to it, and the look after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# no_forcing: where one text alone can follow, the model still chooses its tokens. Otherwise
# llguidance has that text tokenized, and fails in the midst of a character or at a control token's
# name (with onnxruntime-genai 0.14.1, on letters beyond the tokenizer's own).
GRAMMAR = '%llguidance {{"no_forcing": true}}\nstart: %json {}\n'
COMPACT = {"whitespace_flexible": False}  # or a small model writes blanks for ever
# Left to the grammar alone: its regular expressions are not Python's, and a fraction's multiples
# are no multiples in binary.
UNSEEN = ("pattern", "multipleOf")
# Items in all arrays together: llguidance spells them out before the first token, and a few more
# digits take all memory there is. No context holds as many.
MOST_ITEMS = 20_000
COUNTS = ("minItems", "maxItems")
# What JSON writes as an escape. llguidance ends a constant too early where one of these is followed
# by more than so many bytes, unless there could be two of it.
ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')
BEHIND_ESCAPED = 30
DATA = ("const", "enum", "default", "examples")  # keywords that hold no schema
NAMED = ("properties", "patternProperties", "$defs", "definitions")  # hold one for every name
# What stands around the reason in ONNX Runtime GenAI's error: the place, and the whole grammar.
BEFORE = re.compile(r"^Error creating grammar: (at [\d()]+: )?(failed to compile JSON schema: )?")
BEHIND = re.compile(r"\n( *\d+ \| |<backtrace>)")


class BadSchema(ValueError):
    """A JSON schema that no answer can be held to; its text says why."""

    @classmethod
    def of(cls, error: RuntimeError) -> BadSchema:
        """Of what ONNX Runtime GenAI says of a grammar."""
        why = BEHIND.split(BEFORE.sub("", str(error)))[0]
        return cls(f"{' '.join(why.split()):.300}")


def grammar(schema: str) -> str:
    """A JSON schema (as JSON, an object) as llguidance's Lark grammar.

    Raises:
        BadSchema: its arrays hold more than `MOST_ITEMS`.
    """
    told = json.loads(schema)
    if sum(_items(told)) > MOST_ITEMS:
        raise BadSchema(f"its arrays may hold more than {MOST_ITEMS:,} items (minItems, maxItems)")
    return GRAMMAR.format(json.dumps({**_spelled(told), "x-guidance": COMPACT}))


def broken(text: str, schema: str) -> str | None:
    """Why an answer does not keep to the schema; None where it does.

    A schema that contradicts itself ends the answer early, and so does llguidance at a text that is
    cut (see `ESCAPED`) and stands in a constant object or list.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return "no answer can keep to it"
    if '"patternProperties"' in schema:
        return None
    try:
        why = _violation(answer, json.loads(schema))
    except Exception:  # noqa: BLE001 (llguidance takes what jsonschema cannot read: `items: [...]`)
        return None
    return None if why is None else f"the answer broke off, and {why:.200}"


def _violation(answer: Any, schema: dict[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator, validators
    from jsonschema_specifications import REGISTRY

    kind = validators.validator_for(schema, default=Draft202012Validator)
    kind = validators.extend(kind, dict.fromkeys(UNSEEN, _unseen))
    error = next(kind(schema, registry=REGISTRY).iter_errors(answer), None)
    return None if error is None else error.message


def _spelled(schema: Any) -> Any:
    """A schema that allows the same, with every text that llguidance would cut as a pattern."""
    if isinstance(schema, list):
        return [_spelled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for name, inner in schema.items():
        if name in NAMED and isinstance(inner, dict):
            found[name] = {key: _spelled(one) for key, one in inner.items()}
        else:
            found[name] = inner if name in DATA else _spelled(inner)
    values = [found["const"]] if "const" in found else found.get("enum")
    if isinstance(values, list) and any(map(_would_be_cut, values)):
        kept = {"enum": [value for value in values if not _would_be_cut(value)]}
        texts = [_pattern(value) for value in values if _would_be_cut(value)]
        found.pop("const" if "const" in found else "enum")
        also = found.get("allOf", [])
        found["allOf"] = [
            *(also if isinstance(also, list) else [also]),
            {"anyOf": [kept, *texts] if kept["enum"] else texts},
        ]
    return found


def _would_be_cut(value: Any) -> bool:
    found = ESCAPED.search(value) if isinstance(value, str) else None
    return found is not None and len(value[found.end() :].encode()) > BEHIND_ESCAPED


def _pattern(text: str) -> dict[str, Any]:
    """The text alone: two of what is escaped would be too long."""
    each = (f"{re.escape(one)}{{1,2}}" if ESCAPED.match(one) else re.escape(one) for one in text)
    return {"type": "string", "pattern": f"^{''.join(each)}$", "maxLength": len(text)}


def _items(schema: Any) -> Iterator[float]:
    """How many items every array of a schema counts up to."""
    if isinstance(schema, dict):
        counts = (schema.get(name) for name in COUNTS)
        yield max((n for n in counts if isinstance(n, int | float)), default=0)
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            yield from _items(inner)


def _unseen(*_: Any) -> Iterator[Any]:
    return iter(())
