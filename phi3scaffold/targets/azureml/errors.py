"""How Azure says no, and that it does not answer."""

from __future__ import annotations

from phi3scaffold.project.errors import ScaffoldError


class AzureUnreachable(ScaffoldError):
    """Azure does not answer, or answers that it cannot now; it may pass."""


class AzureRefusal(ScaffoldError):
    """An answer that is none of success.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, what: str, where: str) -> None:
        super().__init__(f"Azure answered {status}: {what}", where=where)
        self.status = status
