"""Answers that conform to a JSON schema: the grammar that enforces it, and a final check."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from phi3scaffold.inference.api_error import ApiError

# no_forcing: where one text alone can follow, the model still chooses its tokens. Otherwise
# llguidance has that text tokenized, and fails in the midst of a character or at a control token's
# name (with onnxruntime-genai 0.14.1, on letters beyond the tokenizer's own).
GRAMMAR = '%llguidance {{"no_forcing": true}}\nstart: %json {}\n'
COMPACT = {"whitespace_flexible": False}  # or a small model writes blanks for ever
# Left to the grammar alone: its regular expressions are not Python's, and a fraction's multiples
# are no multiples in binary.
UNCHECKED = ("pattern", "multipleOf")
CHECK_SECONDS = 2.0  # of the processor
# Items in all arrays together: llguidance spells them out before the first token, and a few more
# digits exhaust the memory. No context holds as many.
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
    """A JSON schema that cannot be enforced; its text says why."""

    @classmethod
    def of(cls, error: RuntimeError) -> BadSchema:
        """Return the error with the reason that ONNX Runtime GenAI gives for refusing a grammar."""
        why = BEHIND.split(BEFORE.sub("", str(error)))[0]
        return cls(f"{' '.join(why.split()):.300}")

    @property
    def api_error(self) -> ApiError:
        """What the client gets."""
        message = f"The schema cannot be used: {self}"
        return ApiError(400, message, code="invalid_json_schema", param="response_format")


def grammar(schema: str) -> str:
    """Return a JSON schema (as JSON, an object) as llguidance's Lark grammar.

    Raises:
        BadSchema: its arrays hold more than `MOST_ITEMS`.
    """
    values = json.loads(schema)
    if sum(_items(values)) > MOST_ITEMS:
        raise BadSchema(f"its arrays may hold more than {MOST_ITEMS:,} items (minItems, maxItems)")
    return GRAMMAR.format(json.dumps({**_spelled(values), "x-guidance": COMPACT}))


def find_violation(text: str, schema: str) -> str | None:
    """Return why an answer does not conform to the schema; None where it does.

    A schema that contradicts itself ends the answer early, and so does llguidance at a text that is
    cut (see `ESCAPED`) and stands in a constant object or list. What takes longer than
    `CHECK_SECONDS` is left to the grammar alone: thirty references that each stand in `anyOf` twice
    are a billion schemas.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return "no answer can conform to it"
    if '"patternProperties"' in schema:
        return None
    try:
        import attrs
        from jsonschema import Draft202012Validator, validators
        from jsonschema_specifications import REGISTRY

        values = json.loads(schema)
        kind = validators.validator_for(values, default=Draft202012Validator)
        checks = {**kind.VALIDATORS, **dict.fromkeys(UNCHECKED, lambda *_: iter(()))}
        end = time.thread_time() + CHECK_SECONDS
        kind = validators.extend(kind, {name: _timed(check, end) for name, check in checks.items()})
        # jsonschema's own takes another class where a part of the schema has a `$schema`.
        kind.evolve = attrs.evolve
        error = next(kind(values, registry=REGISTRY).iter_errors(answer), None)
    except Exception:  # noqa: BLE001 (llguidance takes what jsonschema cannot read; or no time is left)
        return None
    return None if error is None else f"the answer ended early, and {error.message:.200}"


def _timed(check: Callable[..., Any], end: float) -> Callable[..., Iterator[Any]]:
    """Return a keyword's check that raises TimeoutError once this thread's time is over."""

    def timed(*words: Any) -> Iterator[Any]:
        if time.thread_time() > end:
            raise TimeoutError
        yield from check(*words) or ()

    return timed


def _spelled(schema: Any) -> Any:
    """Return an equivalent schema, with every text that llguidance would cut as a pattern."""
    if isinstance(schema, list):
        return [_spelled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    spelled: dict[str, Any] = {}
    for name, inner in schema.items():
        if name in NAMED and isinstance(inner, dict):
            spelled[name] = {key: _spelled(value) for key, value in inner.items()}
        else:
            spelled[name] = inner if name in DATA else _spelled(inner)
    values = [spelled["const"]] if "const" in spelled else spelled.get("enum")
    if isinstance(values, list) and any(map(_would_be_cut, values)):
        whole = {"enum": [value for value in values if not _would_be_cut(value)]}
        texts = [_pattern(value) for value in values if _would_be_cut(value)]
        spelled.pop("const" if "const" in spelled else "enum")
        also = spelled.get("allOf", [])
        spelled["allOf"] = [
            *(also if isinstance(also, list) else [also]),
            {"anyOf": [whole, *texts] if whole["enum"] else texts},
        ]
    return spelled


def _would_be_cut(value: Any) -> bool:
    escaped = ESCAPED.search(value) if isinstance(value, str) else None
    return escaped is not None and len(value[escaped.end() :].encode()) > BEHIND_ESCAPED


def _pattern(text: str) -> dict[str, Any]:
    """Return a schema for just this text: with an escape doubled it would be too long."""
    each = (
        f"{re.escape(char)}{{1,2}}" if ESCAPED.match(char) else re.escape(char) for char in text
    )
    return {"type": "string", "pattern": f"^{''.join(each)}$", "maxLength": len(text)}


def _items(schema: Any) -> Iterator[float]:
    """Yield how many items each array of a schema counts up to."""
    if isinstance(schema, dict):
        counts = (schema.get(name) for name in COUNTS)
        yield max((n for n in counts if isinstance(n, int | float)), default=0)
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            yield from _items(inner)
