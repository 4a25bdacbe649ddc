"""The one error type: what is wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path

USER_MISTAKE = 2
FAILED_RUN = 1


class ScaffoldError(Exception):
    """An error a person can act on.

    Args:
        what: what is wrong, in one sentence.
        where: the place: a file, ``file:line``, or a key such as ``dataset.yaml: turns[0].user``.
        fix: what to do about it.
        exit_code: `USER_MISTAKE` (2), or `FAILED_RUN` (1) for a run that failed by itself.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | Path | None = None,
        fix: str | None = None,
        exit_code: int = USER_MISTAKE,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)

    def __reduce__(self):  # crosses process boundaries whole
        return (_rebuild, (self.what, self.where, self.fix, self.exit_code))


def _rebuild(what: str, where: str | None, fix: str | None, exit_code: int) -> ScaffoldError:
    return ScaffoldError(what, where=where, fix=fix, exit_code=exit_code)
