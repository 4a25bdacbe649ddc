"""Answers that keep to a JSON schema: the grammar that holds a model to it, and the look after."""

from __future__ import annotations

import json
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


class BadSchema(ValueError):
    """A JSON schema that no answer can be held to; its text says why."""


def grammar(schema: str) -> str:
    """A JSON schema (as JSON, an object) as llguidance's Lark grammar."""
    return GRAMMAR.format(json.dumps({**json.loads(schema), "x-guidance": COMPACT}))


def broken(text: str, schema: str) -> str | None:
    """Why an answer does not keep to the schema; None where it does.

    A schema that contradicts itself ends the answer early, and so does llguidance where more than
    30 bytes follow a quote, a backslash or a control character in a constant.
    """
    from jsonschema import Draft202012Validator, validators
    from jsonschema_specifications import REGISTRY

    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return "no answer can keep to it"
    if '"patternProperties"' in schema:
        return None
    told = json.loads(schema)
    kind = validators.validator_for(told, default=Draft202012Validator)
    kind = validators.extend(kind, dict.fromkeys(UNSEEN, _unseen))
    error = next(kind(told, registry=REGISTRY).iter_errors(answer), None)
    return None if error is None else f"the answer broke off, and {error.message:.200}"


def _unseen(*_: Any) -> Iterator[Any]:
    return iter(())
