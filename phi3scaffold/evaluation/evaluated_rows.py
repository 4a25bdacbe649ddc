"""answers.jsonl as typed records: what each form answered to each row of the evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EvaluatedRow:
    """One line; as JSON ``place``, ``expected`` and a key for each form.

    Attributes:
        place: where the row stands, as ``file:line``.
        expected: the answer that it has.
        answers: form -> what it generated.
    """

    place: str
    expected: str
    answers: Mapping[str, str]

    def to_json(self) -> dict[str, str]:
        """Return the row as a JSON object; `from_json` reads it."""
        return {"place": self.place, "expected": self.expected, **self.answers}

    @classmethod
    def from_json(cls, values: Mapping[str, str]) -> EvaluatedRow:
        answers = dict(values)
        return cls(answers.pop("place"), answers.pop("expected"), answers)


def write_rows(path: Path, rows: Iterable[EvaluatedRow]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for row in rows:
            lines.write(json.dumps(row.to_json(), ensure_ascii=False) + "\n")


def read_rows(path: Path) -> Iterator[EvaluatedRow]:
    """Yield the rows of an answers.jsonl.

    Raises:
        OSError, ValueError, KeyError: it is not there, or holds something else.
    """
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield EvaluatedRow.from_json(json.loads(line))
