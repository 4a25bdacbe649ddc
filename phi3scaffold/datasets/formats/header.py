"""Whether the first row of a table names its columns, or is a row like those below it.

To lose a first row to the header is bad; to take names for a row is worse, since every column then
has a name that says nothing. So the first row counts as data only where something says so that no
header would (a value that comes again below, a number above numbers), and where nothing speaks for
a header (a word above numbers, a usual name of a column, a word above long texts).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

LOOKED_AT = 100  # rows below the first
ENOUGH = 3  # rows below the first that must be there
MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none", "nil"})
# Words that head a column of people's data, and are seldom a value.
WORDS = """
text texts label labels sentence sentences phrase utterance review reviews tweet comment title
headline body message messages content question questions answer answers instruction input output
prompt completion response context sentiment emotion category categories class intent topic target
id ids index date time timestamp created_at user user_id username author url language score rating
stars subject description summary query reply conversations history system chosen rejected email
phone country city name names type tags source value
"""
USUAL = frozenset(WORDS.split())
NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)([eE][+-]?\d+)?%?")
DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./-]\d\d?[./-]\d{2,4}( .*)?"
    r"|(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d{4}.*|\d\d?:\d\d(:\d\d)?",
    re.I,
)
ADDRESS = re.compile(r"https?://\S+|[^@\s]+@[^@\s]+\.\w+")
BOOLEAN = re.compile(r"true|false", re.I)
SNAKE = re.compile(r"[a-z]+(_[a-z\d]+)+|[a-z]+([A-Z][a-z\d]+)+")
KINDS = (NUMBER, DATE, ADDRESS, BOOLEAN)


def is_row(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row of a table is a row like those below it, and no header.

    Args:
        first: its cells.
        below: the rows that follow, a hundred at most are enough.
    """
    first = [cell.strip() for cell in first]
    rows = [[cell.strip() for cell in row] for row in below if len(row) == len(first)]
    rows = [row for row in rows if row != first]  # files put together repeat their header
    if len(rows) < ENOUGH or _is_sequence(first):
        return False
    columns = list(zip(first, zip(*rows, strict=True), strict=True))
    if any(_speaks_for_header(cell, values) for cell, values in columns):
        return False
    return _repeats(columns) or _has_values(columns)


def _is_sequence(cells: Sequence[str]) -> bool:
    """Return whether the cells are 0, 1, 2, ..., as pandas names columns that have no names."""
    numbers = [cell for cell in cells if cell]
    return any(numbers == [str(n) for n in range(at, at + len(numbers))] for at in (0, 1))


def _kind(cell: str) -> re.Pattern[str] | None:
    return next((kind for kind in KINDS if kind.fullmatch(cell)), None)


def _filled(values: Sequence[str]) -> list[str]:
    return [value for value in values if value.lower() not in MISSING]


def _speaks_for_header(cell: str, values: Sequence[str]) -> bool:
    values = _filled(values)
    if cell.lower() in MISSING or len(values) < ENOUGH:
        return False
    kinds = [_kind(value) for value in values]
    usual = max(kinds, key=kinds.count)
    if usual and kinds.count(usual) >= 0.9 * len(kinds) and _kind(cell) != usual:
        return True
    if cell in values:
        return False
    if cell.lower().replace(" ", "_") in USUAL:
        return True
    if SNAKE.fullmatch(cell) and not any(map(SNAKE.fullmatch, values)):
        return True
    return len(cell.split()) <= 4 and all(len(value) > 2 * len(cell) for value in values)


def _repeats(columns: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Return whether a value of the first row comes again below, in a column of few values.

    A list of choices that one may tick repeats its column's name: it has no other value.
    """
    for cell, values in columns:
        filled = _filled(values)
        few = 2 <= len(set(filled)) <= max(2, len(filled) / 2)
        if cell.lower() not in MISSING and few and cell in filled:
            return True
    return False


def _has_values(columns: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Return whether the first row has a number, a date or an address above others of its kind."""
    found = []
    for cell, values in columns:
        kind, filled = _kind(cell), _filled(values)
        if kind and len(filled) >= ENOUGH and all(_kind(value) is kind for value in filled):
            found.append((kind, cell))
    if any(kind is not NUMBER for kind, _ in found):
        return True
    numbers = [float(re.sub("[,%]", "", cell)) for _, cell in found]
    # years, limits and the like may be names: they rise, and names stand beside them
    if not numbers or any(1900 <= number <= 2100 for number in numbers):
        return False
    rises = len(numbers) > 1 and all(a < b for a, b in pairwise(numbers))
    others = [cell for cell, _ in columns if not NUMBER.fullmatch(cell)]
    return not rises and (not others or any(map(_is_sentence, others)))


def _is_sentence(cell: str) -> bool:
    return len(cell.split()) > 3 or cell.endswith((".", "!", "?", "\u3002", "\uff1f"))
