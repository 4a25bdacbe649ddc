"""What is tracked of an event, by what its stage declares: metrics, curves, tags and files."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phi3scaffold.pipeline.events import Event, StageEnded, Step
from phi3scaffold.pipeline.stage import Stage
from phi3scaffold.project.settings import Project

STEP_METRICS = ("loss", "tokens_per_second")


@dataclass(frozen=True)
class Measurements:
    """What one event adds to a tracked run.

    Attributes:
        at: when it was, in seconds since 1970.
        step: the step of training that the metrics are of.
        metrics: name -> value. Names begin with a stage or form: MLflow draws a section for each.
        curves: name -> (step, value), of all steps of the stage.
        tags: name -> text.
        files: paths of files to store beside the metrics.
    """

    at: float = field(default_factory=time.time)
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, list[tuple[int, float]]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values, for `Measurements(**values)`."""
        return dataclasses.asdict(self)


def measure(event: Event, stage: Stage | None, project: Project) -> Measurements:
    """Return what an event of `stage` adds; nothing but its time where nothing is tracked."""
    if stage is None or stage.tracking is None:
        return Measurements()
    if isinstance(event, Step) and event.validation_step == event.step:
        return Measurements()  # of this step the loss was tracked before
    if isinstance(event, Step) and event.loss is not None and event.loss_step == event.step:
        values = {name: getattr(event, name) for name in STEP_METRICS}
        return Measurements(step=event.step, metrics=_named(stage, values))
    if not isinstance(event, StageEnded):
        return Measurements()
    tracking, folder = stage.tracking, stage.folder(project)
    values = {**tracking.metrics(event.facts)}
    if values:  # else it has nothing to compare
        values |= {"seconds": event.seconds, "peak_bytes": event.peak_bytes or None}
    curves: dict[str, list[tuple[int, float]]] = {}
    tags: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        curves = {f"{stage.name}/{name}": one for name, one in tracking.curves(folder).items()}
    with contextlib.suppress(OSError, ValueError):
        tags = tracking.tags(event.facts, folder)
    files = tuple(str(folder / name) for name in tracking.files if (folder / name).is_file())
    return Measurements(metrics=_named(stage, values), curves=curves, tags=tags, files=files)


def _named(stage: Stage, values: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers, by their names in MLflow; bytes become MiB."""
    return {
        (name if "/" in name else f"{stage.name}/{name}").replace("bytes", "MiB"): (
            float(value) / (2**20 if "bytes" in name else 1)
        )
        for name, value in values.items()
        if type(value) in (int, float) and math.isfinite(value)
    }
