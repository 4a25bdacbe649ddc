"""The one error type: what is wrong, where, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USER_MISTAKE = 2
FAILED_RUN = 1
INTERRUPTED = 130


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

    def to_json(self) -> dict[str, Any]:
        """Return the error's values, as another process or a log takes them."""
        return {name: getattr(self, name) for name in ("what", "where", "fix", "exit_code")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ScaffoldError:
        """Return the error of these values. Raises KeyError, TypeError."""
        rest = {name: values[name] for name in ("where", "fix", "exit_code") if name in values}
        return cls(values["what"], **rest)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


def describe_os_error(error: OSError) -> ScaffoldError:
    """Return an error of the system, such as a full disk, with the place and what to do."""
    fixes = {
        errno.ENOSPC: "free some disk space, or use another disk",
        errno.EDQUOT: "free some of your quota, or use another disk",
        errno.EROFS: "choose a folder that can be written to",
        errno.EACCES: "choose a folder you may write to, or change its permissions",
        errno.EPERM: "choose a folder you may write to, or change its permissions",
    }
    return ScaffoldError(
        (error.strerror or str(error)).capitalize(),
        where=error.filename,
        fix=fixes.get(error.errno or 0, "see the message; --debug shows where it came from"),
    )
