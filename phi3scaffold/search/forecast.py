"""What a run will take: the time, memory, disk and download of each of its stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from phi3scaffold.datasets.token_counts import token_counts
from phi3scaffold.models.base_model import base_bytes, base_shape
from phi3scaffold.pipeline import machine
from phi3scaffold.pipeline.runner import SHARED_MEMORY
from phi3scaffold.pipeline.stage import Stage, Work
from phi3scaffold.pipeline.stage_runner import is_up_to_date
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.project.settings import Project
from phi3scaffold.search.calibration import Calibration, calibration_of, reckoned
from phi3scaffold.training.memory import LIBRARIES

LONG = 120.0  # seconds of a run that is worth measuring the machine for
NOISE = 0.4  # how much of what rounds differed by is uncertain of their fastest one
UNMEASURED = 1.0  # the share by which a time may be off that was not measured
RENDERING = 1.2  # what becomes of a token before it is trained, in times of its tokenizing
# Bytes of what `data` loads; the embedded model's stages share one process, where it stays.
OTHER_LIBRARIES = 420_000_000
USUAL_DISK = 5e8  # bytes a second, which the seconds that stages declare have in them


@dataclass(frozen=True)
class StageForecast:
    """What one stage will take.

    Attributes:
        name, title: of the stage.
        is_fresh: whether it is up to date: it takes nothing.
        seconds: how long, without a download; `low` and `high` are the interval.
        memory, disk, download: bytes.
        steps, tokens: see `Work`.
    """

    name: str
    title: str
    is_fresh: bool
    seconds: float = 0.0
    low: float = 0.0
    high: float = 0.0
    memory: int = 0
    disk: int = 0
    download: int = 0
    steps: int = 0
    tokens: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes:
        stages: in their order, those that are up to date among them.
        is_measured: whether this machine was measured.
        load: how many programs want each processor of this machine now; see `machine.load`.
        is_remote: whether it is about a job on another machine.
    """

    stages: tuple[StageForecast, ...]
    is_measured: bool
    load: float
    is_remote: bool = False

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def interval(self) -> tuple[float, float]:
        """From and to, in seconds: what is off in one stage is not off in all."""
        below = math.hypot(*(stage.seconds - stage.low for stage in self.stages))
        above = math.hypot(*(stage.high - stage.seconds for stage in self.stages))
        return self.seconds - below, self.seconds + above

    @property
    def memory(self) -> int:
        return max((stage.memory for stage in self.stages), default=0)

    @property
    def disk(self) -> int:
        return sum(stage.disk for stage in self.stages)

    @property
    def download(self) -> int:
        return sum(stage.download for stage in self.stages)

    def of(self, name: str) -> StageForecast | None:
        """Return the forecast of a stage; None of one that is not in the run."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return the values for JSON: seconds, bytes, and counts."""
        low, high = self.interval
        return {
            "stages": [asdict(stage) for stage in self.stages],
            "seconds": self.seconds,
            "low": low,
            "high": high,
            "memory": self.memory,
            "disk": self.disk,
            "download": self.download,
            "is_measured": self.is_measured,
            "is_remote": self.is_remote,
            "load": self.load,
        }


def forecast(
    project: Project,
    names: Sequence[str],
    stages: Mapping[str, Stage],
    *,
    measure: bool | None = True,
    tflops: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Forecast:
    """Return what bringing the stages `names` up to date will take.

    Args:
        measure: whether to measure this machine where that was not done before; None: only for a
            run that is long.
        tflops: of a job's machine: what it multiplies in 16 bits, in 10^12 operations a second; 0
            without a GPU. None: the run is on this machine.
        say: takes a sentence before this machine is measured.

    Raises:
        ScaffoldError: the project's files are wrong.
    """
    weights = base_bytes(project)
    wanted = [stages[name] for name in names if stages[name].wanted(project)]
    fresh: list[str] = []
    for stage in wanted:  # one that reads from a stage that is made again is made again, too
        before = [one.name for one in stage.reads_from(project, stages)]
        if all(name in fresh for name in before) and _is_fresh(stage, project, stages):
            fresh.append(stage.name)
    todo = [stage for stage in wanted if stage.name not in fresh]
    if not todo:  # nothing is read then, so that the answer comes at once
        done = tuple(StageForecast(stage.name, stage.title, is_fresh=True) for stage in wanted)
        return Forecast(done, is_measured=True, load=0.0, is_remote=tflops is not None)
    sample = token_counts(project).sample
    load = machine.load() if tflops is None else 0.0
    try:
        counted = {stage: stage.resources.work(project, weights) for stage in todo}
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # a number that is none
        raise ScaffoldError(
            f"The settings cannot be planned with: {error}.",
            where=project.olive_config,
            fix="phi3scaffold lint says which of them is wrong",
        ) from error
    work = _share_libraries(project, weights, counted)

    def with_calibration(speed: Calibration) -> Forecast:
        return Forecast(
            tuple(
                _stage(stage, project, weights, work[stage.name], speed, load)
                if stage.name in work
                else StageForecast(stage.name, stage.title, is_fresh=True)
                for stage in wanted
            ),
            speed.is_measured,
            load,
            is_remote=tflops is not None,
        )

    if tflops is not None:
        return with_calibration(reckoned(base_shape(project), weights, tflops))
    found = with_calibration(calibration_of(project, weights, sample))
    is_long = found.seconds / (1 + load) > LONG
    if not found.is_measured and (is_long if measure is None else measure):
        say("measuring this machine, once for this model")
        found = with_calibration(calibration_of(project, weights, sample, measure=True))
    return found


def _is_fresh(stage: Stage, project: Project, stages: Mapping[str, Stage]) -> bool:
    try:
        return is_up_to_date(stage, project, stages)
    except (ScaffoldError, OSError):
        return False


def _share_libraries(project: Project, weights: int, work: Mapping[Stage, Work]) -> dict[str, Work]:
    """Return name -> work; small stages share a process, in which each library is loaded once."""
    small = all(stage.resources.memory(project, weights) <= SHARED_MEMORY for stage in work)
    is_here = bool(project.base_bytes) or project.is_demonstration
    found, loaded = {}, 0.0
    for stage, its in work.items():
        found[stage.name] = its
        if not stage.needs_torch:
            is_here = True  # the model is fetched in the process above
        elif small:
            found[stage.name] = replace(its, starts=max(0.0, its.starts - loaded))
            loaded = max(loaded, its.starts) if is_here else 0.0
    return found


def _stage(
    stage: Stage, project: Project, weights: int, work: Work, speed: Calibration, load: float
) -> StageForecast:
    resources = stage.resources
    disk = resources.disk(project, weights)
    passes = speed.trained.seconds(*work.trained) + speed.read.seconds(*work.read)
    quiet = (
        min(passes, work.most_seconds or passes)
        + work.steps * speed.step
        + work.starts * speed.start
        + work.fixed
        + work.rendered * RENDERING / speed.tokenizer
        + max(0.0, disk / speed.disk - disk / USUAL_DISK)
        + (resources.seconds(project, weights) + work.seconds) * speed.slowness
    )
    seconds = quiet * (1 + load)  # as many others wait for a processor as use one
    spread = work.spread + NOISE * min(1.0, speed.noise)
    spread += 0 if speed.is_measured else UNMEASURED
    memory = resources.memory(project, weights)
    if stage.needs_torch:
        memory = max(memory, LIBRARIES) + (OTHER_LIBRARIES if project.is_demonstration else 0)
    return StageForecast(
        name=stage.name,
        title=stage.title,
        is_fresh=False,
        seconds=seconds,
        low=min(quiet, seconds) / (1 + spread),
        high=seconds * (1 + spread) * (1 + load / 4),
        memory=memory,
        disk=disk,
        download=work.download,
        steps=work.steps,
        tokens=work.tokens,
    )


def memory_error(
    found: Forecast, project: Project, stages: Mapping[str, Stage], total: int
) -> ScaffoldError | None:
    """Return the error for the stage that takes most of what `total` bytes of memory cannot hold.

    Its fix names the setting that makes it fit.
    """
    worst = max(found.stages, key=lambda stage: stage.memory, default=None)
    if worst is None or worst.memory <= total:
        return None
    weights = base_bytes(project)
    setting = stages[worst.name].resources.lighter(project, weights, total)
    other = "a smaller model: phi3scaffold models says what each takes"
    return ScaffoldError(
        f"This machine's memory cannot hold the run: {worst.name} takes about "
        f"{binary_size(worst.memory)}, and there are {binary_size(total)} in all.",
        where=project.root,
        fix=setting or other,
    )
