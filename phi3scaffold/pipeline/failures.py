"""How a failure of another process is told: an error as values, an exit code in words."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError, describe_os_error


def why_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def describe_error(error: BaseException, log: Path) -> ScaffoldError:
    """Return the error as one that a person can act on; an unforeseen one names the log."""
    if isinstance(error, OSError):
        error = describe_os_error(error)
    if isinstance(error, ScaffoldError):
        return error
    first = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
    return ScaffoldError(
        f"The stage failed: {what}", where=log, fix="the log tells more", exit_code=FAILED_RUN
    )
