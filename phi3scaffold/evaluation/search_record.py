"""search.json as typed records: the points of a search, what was measured of them, what was not.

Values of a point have the names of the limits of project.yaml's gate, and their units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.metrics import known_fields
from phi3scaffold.project.files import try_json

FILE = "search.json"


@dataclass
class PointRecord:
    """One point.

    Attributes:
        key: a hash over everything that decides it.
        name: in a few words.
        passes: Olive's, from behind the merge to the builder.
        bytes: of the ONNX form; 0 where it was not built.
        build_seconds: how long Olive's passes took.
        rows: validation rows that it was measured on.
        values: name of a limit -> its value on them.
        intervals: name of a limit -> the 95 % interval of its value, as [low, high].
        noise: name of a limit -> half the width of the interval of its median.
        error: why it could not be built or measured; "" where it was.
        ended: why it was measured no further; "" where it was measured to the end.
    """

    key: str
    name: str
    passes: dict[str, Any]
    bytes: int = 0
    build_seconds: float = 0.0
    rows: int = 0
    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, list[float]] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)
    error: str = ""
    ended: str = ""


@dataclass
class SearchRecord:
    """A whole search.

    Attributes:
        key: a hash over the trained model, the rows and the limits; another one is another search.
        adapter: the content of the adapter that was searched for.
        goal: ``smallest``, ``fastest`` or ``closest``.
        limits: name -> the limit that was set.
        rows: validation rows that there are to choose by.
        budget_seconds: how long it might take; `seconds`: how long it took.
        threads: of the processor, that answered.
        machine: system and processor.
        finished: whether it came to its end.
        winner: the key of the chosen point; "" where none keeps the limits.
        own: the key of what the project had before.
        missed: for no winner: what the best point missed, a line a limit.
        points: those that were tried.
        not_tried: what was not tried -> why.
    """

    key: str
    adapter: str = ""
    goal: str = "closest"
    limits: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    budget_seconds: float = 0.0
    seconds: float = 0.0
    threads: int = 0
    machine: str = ""
    finished: bool = False
    winner: str = ""
    own: str = ""
    missed: list[str] = field(default_factory=list)
    points: list[PointRecord] = field(default_factory=list)
    not_tried: dict[str, str] = field(default_factory=dict)

    def point(self, key: str) -> PointRecord | None:
        """Return the point with a key."""
        return next((one for one in self.points if one.key == key), None)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values; `from_json` reads them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SearchRecord:
        points = [PointRecord(**known_fields(PointRecord, one)) for one in values["points"]]
        return cls(**{**known_fields(cls, values), "points": points})


def read_search(folder: Path) -> SearchRecord | None:
    """Return the search that left its record in a folder; None where there is none."""
    try:
        return SearchRecord.from_json(try_json(folder / FILE))
    except (KeyError, TypeError, AttributeError):
        return None
