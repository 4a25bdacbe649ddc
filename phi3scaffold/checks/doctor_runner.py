"""Put the checks of doctor to work: those that ask the network side by side, the rest meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import ModuleType

from phi3scaffold.checks.azure import project_of
from phi3scaffold.checks.doctor_context import Scene, Skip
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.project.errors import ScaffoldError


def examine(
    modules: Iterable[ModuleType], scene: Scene, waiting: Callable[[list[str]], None] | None = None
) -> list[Verdict]:
    """What the checks say, in their order.

    Args:
        modules: of phi3scaffold.checks.doctor.
        waiting: called with the IDs that an answer is still awaited for, whenever that changes.
    """
    modules = list(modules)
    asking = {module.ID: _Asking(module, scene) for module in modules if _seconds(module)}
    if not scene.offline:
        for one in asking.values():
            one.thread.start()
    found = {module.ID: look(module, scene) for module in modules if not _seconds(module)}
    if scene.offline:
        for name in asking:
            if project_of(scene) is not None or "-azure-" not in name:
                found[name] = [Verdict(name, "skipped", "--offline")]
    else:
        for name, one in asking.items():
            if waiting is not None:
                waiting([other for other, asked in asking.items() if asked.thread.is_alive()])
            found[name] = one.answer()
    return [verdict for module in modules for verdict in found.get(module.ID, [])]


def look(module: ModuleType, scene: Scene) -> list[Verdict]:
    """What one check says; whatever it raises becomes a verdict."""
    try:
        return [_sentence(verdict) for verdict in module.check(scene)]
    except Skip as skip:
        return [Verdict(module.ID, "skipped", str(skip))]
    except ScaffoldError as error:
        what = f"Could not be looked at: {error.what}"
        return [Verdict(module.ID, "warning", what, where=error.where, fix=error.fix)]
    except Exception as error:  # noqa: BLE001 (a check's own mistake must not hide the others)
        told = (str(error).strip() or "no message").splitlines()[0]
        what = f"Could not be looked at: {type(error).__name__}: {told}"
        return [_sentence(Verdict(module.ID, "warning", what))]


def _sentence(verdict: Verdict) -> Verdict:
    """What is wrong ends as a sentence does; what is well is a few words."""
    if verdict.state in ("ok", "skipped") or verdict.what.endswith((".", ")", "!")):
        return verdict
    return replace(verdict, what=f"{verdict.what}.")


def _seconds(module: ModuleType) -> float:
    return float(getattr(module, "NETWORK_SECONDS", 0))


class _Asking:
    """A check that asks the network, in a thread that nobody waits for longer than it may take."""

    def __init__(self, module: ModuleType, scene: Scene) -> None:
        self.module, self.scene = module, scene
        self.verdicts: list[Verdict] | None = None
        self.begun = time.monotonic()
        self.thread = threading.Thread(target=self._run, daemon=True, name=module.ID)

    def _run(self) -> None:
        self.verdicts = look(self.module, self.scene)

    def answer(self) -> list[Verdict]:
        seconds = _seconds(self.module)
        self.thread.join(max(0.0, self.begun + seconds - time.monotonic()))
        if self.verdicts is not None:
            return self.verdicts
        what = f"No answer within {seconds:g} seconds"
        fix = "look at the network (HTTPS_PROXY), then again; or --offline"
        return [Verdict(self.module.ID, "warning", what, fix=fix)]
