"""Run checks, one after the other; one that crashes is a finding as well."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.project.errors import ScaffoldError

FOLDERS = ("doctor", "lint")


def load(folder: str) -> list[ModuleType]:
    """The checks of `doctor` or `lint`, in their order."""
    package = importlib.import_module(f"phi3scaffold.checks.{folder}")
    return [importlib.import_module(f"{package.__name__}.{name}") for name in package.CHECKS]


def title(module: ModuleType) -> str:
    """What holds where all is well: the first line of a check's docstring."""
    return (module.__doc__ or "").strip().splitlines()[0]


def explain(identity: str) -> str:
    """The documentation of the check `identity`. Raises ScaffoldError: there is none."""
    import difflib

    known: dict[str, ModuleType] = {}
    for folder in FOLDERS:
        try:
            known |= {module.ID: module for module in load(folder)}
        except ModuleNotFoundError as error:
            if error.name != f"phi3scaffold.checks.{folder}":
                raise
    if identity not in known:
        near = difflib.get_close_matches(identity, known, 1, 0.3)
        raise ScaffoldError(
            f"There is no check {identity!r}.",
            fix=f"did you mean {near[0]}?" if near else f"one of: {', '.join(known)}",
        )
    return f"{identity}\n\n{inspect.cleandoc(known[identity].__doc__ or '')}"


def run(modules: Iterable[ModuleType], subject: Any) -> Iterator[Verdict]:
    """Every verdict of every check on `subject`; a check that found nothing is ok."""
    for module in modules:
        found = list(run_one(module, subject))
        yield from found or [Verdict(module.ID, "ok", title(module))]


def run_one(module: ModuleType, subject: Any) -> Iterator[Verdict]:
    """What one check finds; the checks after it go on, whatever it raises."""
    try:
        yield from module.check(subject)
    except Exception as error:  # noqa: BLE001 (a check's own mistake must not hide the others)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        said = (str(error).strip() or "no message").splitlines()[0]
        yield Verdict(
            module.ID,
            "error",
            f"The check itself failed: {type(error).__name__}: {said}.",
            where=f"{frame.filename}:{frame.lineno}",
            fix="a mistake of phi3scaffold, not of yours: please report it",
        )
