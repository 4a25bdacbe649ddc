"""What stands in the rows and is used by nothing, counted, so that nobody misses it unsaid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from phi3scaffold.datasets.conversations import system_columns
from phi3scaffold.datasets.message_format import TOOL
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.turns import TOOL_KEYS, TURN_KEYS
from phi3scaffold.models.column_templates import columns_of
from phi3scaffold.project.formatting import count


class UnusedParts:
    """Columns and keys of turns that hold something and that a spec does not use.

    Args:
        spec: dataset.yaml.

    Attributes:
        columns: column -> how many rows hold something there.
        turn_keys: key of a turn -> how many rows have a turn that holds something there.
        rows: how many rows were looked at.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        self.columns: Counter[str] = Counter()
        self.turn_keys: Counter[str] = Counter()
        self.rows = 0
        self._used = set(used_columns(spec))
        self._form = spec.messages

    def add(self, values: Mapping[str, Any]) -> None:
        """Count what one row holds."""
        self.rows += 1
        for name, value in values.items():
            if name not in self._used and holds_something(value):
                self.columns[str(name)] += 1
        form = self._form
        if form is None:
            return
        used = {form.role, form.content, *TURN_KEYS}
        keys: set[str] = set()
        for column in filter(None, (form.prompt, form.column)):
            turns = values.get(column)
            for turn in turns if isinstance(turns, list) else ():
                if isinstance(turn, dict):
                    known = used | set(
                        TOOL_KEYS if form.role_of(turn.get(form.role)) == TOOL else ()
                    )
                    keys |= {
                        str(k) for k, v in turn.items() if k not in known and holds_something(v)
                    }
        self.turn_keys.update(keys)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return both counts, for report.json."""
        return {"columns": dict(self.columns), "turn_keys": dict(self.turn_keys)}


def unused_parts(rows: Iterable[Row], spec: DatasetSpec) -> UnusedParts:
    """Return what some rows hold and a spec does not use."""
    parts = UnusedParts(spec)
    for row in rows:
        parts.add(row.values)
    return parts


def unused_text(
    parts: UnusedParts, kinds: Mapping[str, str] | None = None, of_more: bool = False
) -> str:
    """Name what is unused with its counts of rows, as a sentence; "" where nothing is.

    Args:
        parts: what was counted.
        kinds: column -> what it holds, or why it is left out.
        of_more: whether there are rows that were not looked at.
    """
    named = [
        f"`{name}` ({', '.join([*filter(None, [(kinds or {}).get(name)]), count(rows, 'row')])})"
        for name, rows in parts.columns.items()
    ]
    named += [
        f"`{name}` of a turn ({count(rows, 'row')})" for name, rows in parts.turn_keys.items()
    ]
    if not named:
        return ""
    looked_at = f" of the first {count(parts.rows, 'row')}" if of_more else ""
    return f"not used{looked_at}: {', '.join(named)}"


def used_columns(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the columns of a row that the spec uses, each once."""
    found = [*columns_of(spec.user), *columns_of(spec.assistant), *system_columns(spec.system)]
    if spec.history:
        found.append(spec.history)
    if spec.messages:
        form = spec.messages
        found += [form.column, form.tools, *([form.prompt] if form.prompt else [])]
    return tuple(dict.fromkeys(found))


def optional_columns(spec: DatasetSpec) -> dict[str, tuple[str, ...]]:
    """Return key of dataset.yaml -> the columns it names that a row may lack."""
    user = columns_of(spec.user)
    return {
        "turns": user if len(user) > 1 else (),
        "system": system_columns(spec.system),
        "history": (spec.history,) if spec.history else (),
    }


def holds_something(value: Any) -> bool:
    """Return whether a value is neither null, NaN, nor an empty text, list or object."""
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, (list, dict)):
        return bool(value)
    return value is not None and value == value
