"""How Azure says no, and that it does not answer."""

from __future__ import annotations

from phi3scaffold.project.errors import ScaffoldError


class AzureUnreachable(ScaffoldError):
    """Azure does not answer, or answers that it cannot now; it may pass."""


class AzureRefusal(ScaffoldError):
    """An answer that is none of success, with its status of HTTP."""

    def __init__(self, status: int, what: str, where: str) -> None:
        super().__init__(f"Azure answered {status}: {what}", where=where)
        self.status = status


def first_line(error: object) -> str:
    """Return the first line of what an error of Azure's SDK says, or of a text; else its type."""
    lines = [line.strip() for line in str(getattr(error, "message", error)).splitlines()]
    return next((line for line in lines if line), type(error).__name__)
