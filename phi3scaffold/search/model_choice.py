"""The models of the catalogue that this machine's memory can train, and about how long each takes.

Reckoned from sizes alone, before there is a project: nothing is measured, and no torch is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.models.catalogue import DEFAULT, ENTRIES, CatalogueEntry
from phi3scaffold.project.algorithms import ALGORITHMS, algorithm_of
from phi3scaffold.project.training_defaults import training_defaults
from phi3scaffold.search.calibration import reckoned
from phi3scaffold.training.memory import training_memory
from phi3scaffold.training.packing import PASS

CHARACTERS = 4  # of a token in plain English; other languages and code have fewer
LONGEST = 2048  # tokens of a row that are counted at most: longer ones are cut
TEMPLATE = 20  # tokens that the chat template adds to a row
TRAINED = 0.2  # share of the tokens that the loss counts


@dataclass(frozen=True)
class TrainingLength:
    """Steps of a training, and the tokens of all of them; 0 where no rows are known."""

    steps: float
    tokens: float


@dataclass(frozen=True)
class ModelChoice:
    """A model that fits.

    Attributes:
        memory: bytes that training takes at least.
        seconds: about how long training takes on two cores of 2024; 0 where no rows are known.
    """

    entry: CatalogueEntry
    memory: int
    seconds: float


def training_length(files: Iterable[Path], rows: int, algo: str) -> TrainingLength:
    """Return how long a new project trains on so many rows, by the size of their files."""
    if not rows:
        return TrainingLength(0, 0)
    settings = training_defaults(algo, 0, rows)
    row = min(LONGEST, sum(path.stat().st_size for path in files) / CHARACTERS / rows) + TEMPLATE
    read = settings.epochs * rows
    return TrainingLength(read / settings.batch, read * row)


def model_choices(length: TrainingLength, memory: int, algo: str) -> list[ModelChoice]:
    """Return the real models that `memory` bytes can train, from small to large.

    Of models that differ in their context alone it is one, the default where it is among them.
    """
    algorithm = algorithm_of(algo) or ALGORITHMS[0]
    found: dict[int | None, ModelChoice] = {}
    for entry in ENTRIES:
        if entry.shape is None or not entry.hub_id:  # the demonstration model
            continue
        needed = training_memory(entry.shape, entry.target_modules, algorithm)
        if needed <= memory and (entry.parameters not in found or entry.hub_id == DEFAULT):
            seconds = training_seconds(entry, length)
            found[entry.parameters] = ModelChoice(entry, needed, seconds)
    return sorted(found.values(), key=lambda one: one.entry.parameters or 0)


def training_seconds(entry: CatalogueEntry, length: TrainingLength) -> float:
    """Return about how long a model trains; 0 where that is not known."""
    if not entry.shape or not length.tokens:
        return 0.0
    passes = max(length.steps, length.tokens / PASS)
    speed = reckoned(entry.shape, 2 * (entry.parameters or 0))
    trained = speed.trained.seconds(passes, length.tokens, TRAINED * length.tokens)
    return trained + length.steps * speed.step


def better_choice(choices: Iterable[ModelChoice], seconds: float) -> ModelChoice | None:
    """Return the largest model that trains within so many seconds, else the one that is soonest.

    None where no time is known, or each model asks for a licence to be accepted first.
    """
    free = [one for one in choices if one.seconds and not one.entry.gated]
    within = [one for one in free if one.seconds <= seconds]
    return within[-1] if within else min(free, key=lambda one: one.seconds, default=None)
