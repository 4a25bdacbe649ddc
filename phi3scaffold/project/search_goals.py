"""What a search of the quantization looks for, and project.yaml's `optimize`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import mapping

CLOSEST, SMALLEST, FASTEST = "closest", "smallest", "fastest"
GOALS = {
    CLOSEST: "the least divergence from the adapter",
    SMALLEST: "the smallest files",
    FASTEST: "the most tokens a second",
}
MINUTES = 20.0


@dataclass(frozen=True)
class SearchSettings:
    """How a run searches.

    Attributes:
        goal: one of `GOALS`.
        minutes: how long it may take.
    """

    goal: str = CLOSEST
    minutes: float = MINUTES

    @classmethod
    def read(cls, value: Any, path: Path) -> SearchSettings | None:
        """Read `optimize` of project.yaml; None where a run does not search.

        Raises:
            ScaffoldError: it holds something else.
        """
        if value is None:
            return None
        settings = cls(**_known(mapping(value, "optimize", path), path))
        if settings.goal not in GOALS:
            raise ScaffoldError(
                f"Unknown goal {settings.goal!r}.",
                where=f"{path}: optimize.goal",
                fix=f"one of: {', '.join(GOALS)}",
            )
        minutes: Any = settings.minutes
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes <= 0:
            raise ScaffoldError(
                f"optimize.minutes must be a number above 0, not {minutes!r}.",
                where=f"{path}: optimize.minutes",
            )
        return settings


KEYS = tuple(SearchSettings.__dataclass_fields__)


def _known(values: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in values:
        if key not in KEYS:
            raise ScaffoldError(
                f"optimize has no setting {key!r}.",
                where=f"{path}: optimize.{key}",
                fix=f"one of: {', '.join(KEYS)}",
            )
    return values
