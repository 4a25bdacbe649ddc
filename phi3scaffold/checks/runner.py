"""Load and run the checks of `doctor` and `lint`; a check that crashes is a finding as well.

A check is a module with an `ID`, a docstring that documents it, and `check(context)`, which yields
findings. It may have `NETWORK_SECONDS`, how long it may wait for an answer of the network, and
`fix(context)`, which yields changes for `lint --fix`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip, State, from_error
from phi3scaffold.project.near_names import did_you_mean
from phi3scaffold.targets.doctor_context import DoctorContext
from phi3scaffold.targets.registry import TARGETS

VERBS = ("doctor", "lint")


def load(verb: str) -> list[ModuleType]:
    """Return the checks of `doctor` or `lint`, those of every target included, in their order."""
    packages = [f"phi3scaffold.checks.{verb}"]
    if verb == "doctor":
        packages += dict.fromkeys(one.doctor for one in TARGETS.values() if one.doctor)
    names = [
        f"{package}.{module.name}"
        for package in packages
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    ]
    return sorted(map(importlib.import_module, names), key=lambda one: one.ID)


def relevant(modules: Iterable[ModuleType], context: DoctorContext) -> list[ModuleType]:
    """Leave out the checks of other targets; a target's own checks need a project."""
    own = context.target.doctor if context.project and context.target else None
    return [one for one in modules if one.__package__ in ("phi3scaffold.checks.doctor", own)]


def title(module: ModuleType) -> str:
    """Return what holds where a check passes: the first line of its docstring."""
    return (module.__doc__ or "").strip().splitlines()[0]


def explain(identity: str) -> str:
    """Return the documentation of the check `identity`. Raises ScaffoldError: there is none."""
    known = {module.ID: module for verb in VERBS for module in load(verb)}
    if identity not in known:
        raise ScaffoldError(
            f"There is no check {identity!r}.",
            fix=did_you_mean(identity, known, f"one of: {', '.join(known)}", 0.3),
        )
    return f"{identity}\n\n{inspect.cleandoc(known[identity].__doc__ or '')}"


def run_checks(
    modules: Sequence[ModuleType],
    context: Any,
    *,
    crash: State = "error",
    silence_passes: bool = False,
    offline: bool = False,
    waiting: Callable[[list[str]], None] | None = None,
) -> list[Finding]:
    """Run checks on one context: those that need the network side by side, the rest meanwhile.

    Args:
        crash: the state of a finding that says that a check itself failed.
        silence_passes: whether a check without a finding is ok; else it does not apply here.
        offline: skip the checks that need the network.
        waiting: called with the IDs that an answer is still awaited for, whenever that changes.
    """
    threads = {one.ID: _Thread(one, context, crash) for one in modules if _seconds(one)}
    if not offline:
        for thread in threads.values():
            thread.start()
    found = {one.ID: run_check(one, context, crash) for one in modules if not _seconds(one)}
    for identity, thread in threads.items():
        if offline:
            found[identity] = [Finding(identity, "skipped", "--offline")]
            continue
        if waiting is not None:
            waiting([other for other, one in threads.items() if one.is_alive()])
        found[identity] = thread.result()
    for one in modules:
        if silence_passes and not found[one.ID]:
            found[one.ID] = [Finding(one.ID, "ok", title(one))]
    return [finding for one in modules for finding in found[one.ID]]


def run_check(module: ModuleType, context: Any, crash: State = "error") -> list[Finding]:
    """Run one check; whatever it raises becomes a finding."""
    try:
        return [_as_sentence(finding) for finding in module.check(context)]
    except Skip as skip:
        return [Finding(module.ID, "skipped", str(skip))]
    except ScaffoldError as error:
        finding = from_error(module.ID, error, crash)
        return [replace(finding, what=f"Could not be checked: {finding.what}")]
    except Exception as error:  # noqa: BLE001 (a check's own mistake must not hide the others)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        message = (str(error).strip() or "no message").splitlines()[0]
        what = f"The check itself failed: {type(error).__name__}: {message}"
        fix = "a mistake of phi3scaffold, not of yours: please report it"
        where = f"{frame.filename}:{frame.lineno}"
        return [_as_sentence(Finding(module.ID, crash, what, where, fix))]


def _as_sentence(finding: Finding) -> Finding:
    """End a problem as a sentence ends; what passes is a few words."""
    if finding.state in ("ok", "skipped") or finding.what.endswith((".", ")", "!")):
        return finding
    return replace(finding, what=f"{finding.what}.")


def _seconds(module: ModuleType) -> float:
    return float(getattr(module, "NETWORK_SECONDS", 0))


class _Thread(threading.Thread):
    """A check that needs the network; nobody waits for it longer than it may take."""

    def __init__(self, module: ModuleType, context: Any, crash: State) -> None:
        super().__init__(daemon=True, name=module.ID)
        self.module, self.context, self.crash = module, context, crash
        self.findings: list[Finding] | None = None
        self.begun = time.monotonic()

    def run(self) -> None:
        """Run the check; threading calls this."""
        self.findings = run_check(self.module, self.context, self.crash)

    def result(self) -> list[Finding]:
        """Wait for the findings; a check that takes too long is one."""
        seconds = _seconds(self.module)
        self.join(max(0.0, self.begun + seconds - time.monotonic()))
        if self.findings is not None:
            return self.findings
        what = f"No answer within {seconds:g} seconds"
        fix = "look at the network (HTTPS_PROXY), then again; or --offline"
        return [Finding(self.module.ID, "warning", what, fix=fix)]
