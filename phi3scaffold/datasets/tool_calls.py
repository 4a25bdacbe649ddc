"""Tools in a row: their definitions, and the calls of a turn, in the one form that templates know.

A definition is ``{"type": "function", "function": {"name", ...}}``, a call the same with
``arguments`` as an object, whether the row has them as JSON or as a text of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from phi3scaffold.datasets.formats.json_errors import kind_of_value
from phi3scaffold.project.errors import ScaffoldError

Call = dict[str, Any]
CALL_FIX = 'write it as {"name": "...", "arguments": {...}}'


def definitions(value: Any, column: str, place: str) -> list[dict[str, Any]]:
    """Return the definitions in a row's column of tools; [] where it has none.

    Raises:
        ScaffoldError: it holds something else.
    """
    fix = 'write it as [{"type": "function", "function": {"name": "...", "parameters": {...}}}]'
    if isinstance(value, str):
        if not value.strip():
            return []
        value = _parsed(value, f"The column {column!r}", place, fix)
    found = value if isinstance(value, list) else [] if value is None else [value]
    named = []
    for tool in found:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            what = f"The column {column!r} holds a tool without a name."
            raise ScaffoldError(what, where=place, fix=fix)
        named.append({"type": "function", "function": without_null(function)})
    return named


def calls_of(turn: Mapping[Any, Any], place: str) -> list[Call]:
    """Return the calls that a turn has beside its content; [] where it calls nothing.

    Raises:
        ScaffoldError: one has no name, or its arguments are no object.
    """
    found = turn.get("tool_calls")
    if isinstance(found, str):
        found = _parsed(found, "tool_calls", place, CALL_FIX) if found.strip() else None
    listed = found if isinstance(found, list) else [] if found is None else [found]
    if turn.get("function_call"):
        listed = [*listed, turn["function_call"]]
    return [_call(call, place) for call in listed]


def calls_in_text(content: Any, place: str) -> list[Call]:
    """Return the calls that the content of a turn is, as ShareGPT writes them.

    Raises:
        ScaffoldError: it is no JSON of calls.
    """
    if isinstance(content, str):
        content = _parsed(content, "The turn that calls a tool", place, CALL_FIX)
    listed = content if isinstance(content, list) else [content]
    if not listed:
        raise ScaffoldError("The turn calls no tool.", where=place, fix=CALL_FIX)
    return [_call(call, place) for call in listed]


def _call(call: Any, place: str) -> Call:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ScaffoldError("A tool call has no name.", where=place, fix=CALL_FIX)
    name, arguments = function["name"], function.get("arguments", function.get("parameters"))
    if isinstance(arguments, str):
        arguments = _parsed(arguments, "arguments", place, CALL_FIX) if arguments.strip() else {}
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        what = f"The arguments of a tool call are {kind_of_value(arguments)}, not an object."
        raise ScaffoldError(what, where=place, fix=CALL_FIX)
    named: Call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    if isinstance(call.get("id"), str):
        named["id"] = call["id"]
    return named


def _parsed(text: str, what: str, place: str, fix: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScaffoldError(f"{what} is not JSON: {error}.", where=place, fix=fix) from None


def without_null(value: Any) -> Any:
    """Return a value without keys that are null: parquet gives every object the keys of all."""
    if isinstance(value, dict):
        return {key: without_null(each) for key, each in value.items() if each is not None}
    return list(map(without_null, value)) if isinstance(value, list) else value
