"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from phi3scaffold.project.errors import ScaffoldError

State = Literal["ok", "note", "warning", "error", "skipped"]
PAGE = "reference/checks"  # of the documentation; each check has an anchor there


@dataclass(frozen=True)
class Finding:
    """One line of `phi3scaffold doctor` or `phi3scaffold lint`.

    Attributes:
        id: of the check, stable over releases.
        state: error: it will not work; warning: it may not; note: worth knowing; skipped: not
            looked at, `what` says why.
        what: what was found, one sentence.
        where: file, line and key, or the thing that was looked at; None where that is plain.
        fix: what to do about it, a command where there is one.
    """

    id: str
    state: State
    what: str
    where: str | None = None
    fix: str | None = None

    @property
    def page(self) -> str:
        """Where the documentation explains the check."""
        return f"{PAGE}#{self.id.lower()}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "page": self.page}


class Skip(Exception):
    """Raised by a check that cannot look here; the message says why."""


def from_error(id: str, error: ScaffoldError, state: State = "error") -> Finding:
    """Return an error that a person can act on as a finding."""
    return Finding(id, state, error.what, where=error.where, fix=error.fix)
