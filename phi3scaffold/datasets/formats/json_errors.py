"""What is said of text that is not the JSON that it should be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.formats.byte_stream import unpacked_name
from phi3scaffold.project.errors import ScaffoldError


def document_in_lines(where: str) -> ScaffoldError:
    what = "The line holds a list of rows: the file is one JSON document, not JSON lines."
    return ScaffoldError(what, where=where, fix="give it the ending .json")


def more_than_object(where: str, text: str, rest: str) -> ScaffoldError:
    """Return the error of a line that goes on behind its object."""
    fix = "write one JSON object per line"
    if rest == ",":
        fix = "remove the comma at the end of each line"
    elif "\r" in text:
        fix = "end lines with a line feed; these have old Mac line endings"
    elif rest.startswith("{"):
        fix += ", or give the file the ending .json, in which objects may follow each other"
    what = "Not valid JSON: something follows the object."
    return ScaffoldError(what, where=where, fix=fix)


def broken_line(
    file: Path, where: str, text: str, error: Exception, *, first: bool
) -> ScaffoldError:
    """Return the error of a line that is not JSON, with what it seems to be."""
    found = not_json(file, where, reason(error))
    fix = found.fix
    if first and text in ("[", "{", "[{"):
        fix = "give the file the ending .json: its objects span several lines"
    elif text.startswith(("//", "#", "/*")):
        fix = "remove the comment: JSON has none"
    elif re.match(r"\{\s*'", text):
        fix = "this is how Python prints an object: write it with json.dumps"
    elif text.endswith((",}", ", }", ",]}")):
        fix = "remove the comma before the last bracket"
    return ScaffoldError(found.what, where=where, fix=fix)


def no_object(value: Any, where: str) -> ScaffoldError:
    return ScaffoldError(
        f"Each row must be a JSON object, not {kind_of_value(value)}.",
        where=where,
        fix='write it as {"column": "text", ...}',
    )


def cut_character(half: str, where: str) -> ScaffoldError:
    return ScaffoldError(
        f"The escape {half} is a lone surrogate: half of a character, without its other half.",
        where=where,
        fix="write the character whole, or remove the escape: the text was cut in the middle of it",
    )


def kind_of_value(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value!r:.40}"
    kinds = {str: "text", list: "a list", dict: "an object", type(None): "null", bytes: "bytes"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).partition(";")[0]  # a number of thousands of digits


def not_json(file: Path, where: str, why: str) -> ScaffoldError:
    return ScaffoldError(
        f"Not valid JSON: {why[:1].lower()}{why[1:]}.",
        where=where,
        fix="correct it there"
        if unpacked_name(file.name).endswith(".json")
        else "correct that line; each line must be one JSON object",
    )
