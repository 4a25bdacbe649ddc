"""The text of a cell, by one rule for every format, and which spellings are one label.

A number or a boolean in JSON, parquet or a workbook reads like the same value in csv:

- a boolean is ``True`` or ``False``, as pandas writes it in csv;
- a whole number is its digits, ``1.0`` too: pandas writes integers so where a column has gaps;
- another number is its shortest text, a date is ISO's;
- null, NaN and an infinite number are missing: "".

A text stays as it is. Only labels are compared more loosely: see `labels.label_of`.
"""

from __future__ import annotations

import datetime
import math
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

EXACT = 2**53  # a float holds each whole number below
WHOLE = re.compile(r"[+-]?\d+\.0+")
DIGITS = re.compile(r"[+-]?\d+")
BOOLEANS = {text: name for name in ("True", "False") for text in (name, name.lower(), name.upper())}


def cell_text(value: Any) -> str | None:
    """Return a cell's text, "" where the value is missing, None where it has no text.

    >>> [cell_text(value) for value in (True, 3, 1.0, 0.5, None, float("nan"), [1])]
    ['True', '3', '1', '0.5', '', '', None]
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (bool, int)):
        return str(value)
    if isinstance(value, (float, Decimal)):
        return _number(value)
    if isinstance(value, datetime.datetime):
        midnight = value.timetz() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value) if isinstance(value, datetime.timedelta) else None


def _number(value: float | Decimal) -> str:
    if not math.isfinite(value):
        return ""
    whole = int(value)
    if value == whole and abs(whole) < EXACT:
        return str(whole)
    return repr(value) if isinstance(value, float) else f"{value.normalize():f}"


def label_key(text: str) -> str:
    """Return what two spellings of one boolean or whole number have in common.

    >>> [label_key(text) for text in ("true", "TRUE", "1.0", "1", "joy", "1.5")]
    ['True', 'True', '1', '1', 'joy', '1.5']
    """
    if text in BOOLEANS:
        return BOOLEANS[text]
    return text.partition(".")[0].removeprefix("+") if WHOLE.fullmatch(text) else text


def plain_labels(texts: Iterable[str]) -> dict[str, str]:
    """Return text of a label column -> the label that it is, be it a number written otherwise.

    Numbers lose their ``.0`` where all are whole: elsewhere ``2.0`` may be a version.

    >>> plain_labels(["0.0", "1"]), plain_labels(["2.0", "2.1"]), plain_labels(["true"])
    ({'0.0': '0', '1': '1'}, {'2.0': '2.0', '2.1': '2.1'}, {'true': 'True'})
    """
    keys = {text: label_key(text) for text in texts}
    whole = all(WHOLE.fullmatch(text) or DIGITS.fullmatch(text) for text in keys)
    common = Counter(keys.values())
    return {
        text: key if whole or key in ("True", "False") or common[key] > 1 else text
        for text, key in keys.items()
    }
