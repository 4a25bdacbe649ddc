"""How fast this machine is at what a stage does, measured once for a model and kept."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.datasets.token_counts import TOKENIZER, TokenRow
from phi3scaffold.models.base_model import base_family, base_shape
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.model_lock import local_folder
from phi3scaffold.models.shape import Shape
from phi3scaffold.pipeline import environment, machine, protocol
from phi3scaffold.pipeline.hashing import digest
from phi3scaffold.pipeline.stage import versions
from phi3scaffold.project.algorithms import ALGORITHMS, algorithm_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import try_json, write_json
from phi3scaffold.project.olive_config import OliveConfig, project_config
from phi3scaffold.project.providers import CUDA
from phi3scaffold.project.settings import Project
from phi3scaffold.training.packing import PASS

MODULE = "phi3scaffold.search.calibrate"  # the child's program
CACHE = "PHI3SCAFFOLD_CACHE"  # variable of the environment
SECONDS = 10.0  # that measuring may take, after the libraries are loaded
PATIENCE = 90.0  # seconds for all of it, on a machine that has other work
GPU = 100.0  # 10^12 operations a second of a GPU that was not measured
NOISY = 0.5  # what was measured beside so much other work is measured again
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")
CUT = 10**6  # a row's tokens in the child are told apart by less than that


class Line(NamedTuple):
    """Seconds of a pass of the whole model: for itself, and for each of its tokens and logits."""

    per_pass: float
    per_token: float
    per_logit: float

    def seconds(self, count: float, tokens: float, logits: float) -> float:
        """Return the seconds of so many passes."""
        return count * self.per_pass + tokens * self.per_token + logits * self.per_logit


@dataclass(frozen=True)
class Calibration:
    """The speed of a machine with a model.

    Attributes:
        trained, read: passes forward and backward, and forward alone.
        step: seconds of an optimizer step, beside its passes.
        start: seconds in which the libraries are loaded.
        gflops: of matrix products at the model's shapes, in billions of operations a second.
        disk: bytes written a second.
        tokenizer: tokens a second.
        slowness: of anything else, in times of two cores of 2024.
        noise: by what share the rounds of a measurement differed.
        is_measured: whether it was measured here; else it is reckoned from the model's size.
    """

    trained: Line
    read: Line
    step: float
    start: float
    gflops: float
    disk: float
    tokenizer: float
    slowness: float = 1.0
    noise: float = 0.0
    is_measured: bool = True

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Calibration:
        """Return what `asdict` wrote. Raises KeyError, TypeError or ValueError."""
        known = {field.name: values[field.name] for field in fields(cls)}
        lines = {name: Line(*map(float, known[name])) for name in ("trained", "read")}
        return cls(**{**known, **lines})


def reckoned(shape: Shape | None, weights: int, tflops: float = 0.0) -> Calibration:
    """Return a calibration without measuring: that of two cores of 2024, by the model's size.

    Args:
        tflops: what a GPU multiplies in 16 bits, in 10^12 operations a second; 0 without one.
    """
    size = shape.linear_weights if shape else weights // 2
    vocabulary = shape.vocab * shape.hidden if shape else 0
    layers = shape.layers if shape else 32
    # of what is multiplied at most; the rest of the time goes into all but the products
    useful = tflops * 1e12 * 0.2 if tflops else 200e9
    call = 0.002 if tflops else 0.006  # seconds of a layer besides its tokens
    return Calibration(
        trained=Line(call * layers, 4 * size / useful, 6 * vocabulary / useful),
        read=Line(call / 2 * layers, 2 * size / useful, 2 * vocabulary / useful),
        step=0.001 * layers,
        start=12.0 if tflops else 4.0,
        gflops=tflops * 1000 or 426.0,
        disk=300e6,
        tokenizer=300_000.0,
        is_measured=False,
    )


def calibration_of(
    project: Project, weights: int, sample: Sequence[TokenRow], *, measure: bool = False
) -> Calibration:
    """Return the kept calibration of this machine and the project's model; else make one.

    Args:
        weights: bytes of the base model in 16 bits.
        sample: rows of the project.
        measure: whether it is measured where none is kept; else, or where that fails, it is
            reckoned.
    """
    shape = base_shape(project)
    recipe = _recipe(project, shape, sample)
    if recipe is None:
        return reckoned(shape, weights)
    identity = {name: value for name, value in recipe.items() if name != "rows"}
    identity |= {"processor": machine.processor(), "cores": machine.cores()}
    path = cache_folder() / "calibration" / f"{digest([identity, versions(PACKAGES)])[:32]}.json"
    kept: Calibration | None = None
    with contextlib.suppress(KeyError, TypeError, ValueError):
        kept = Calibration.from_json(try_json(path))
    if kept and (kept.noise < NOISY or not measure):
        return kept
    measured = _measure(recipe) if measure else None
    if measured is None or (kept and kept.noise <= measured.noise):
        return kept or reckoned(shape, weights, GPU if recipe["gpu"] else 0.0)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(measured), indent=2)
    return measured


def cache_folder() -> Path:
    """Return the folder for what is worth keeping of this machine, for all projects."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        above = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        above = Path.home() / "Library" / "Caches"
    else:
        above = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(above) / "phi3scaffold"


def _recipe(
    project: Project, shape: Shape | None, sample: Sequence[TokenRow]
) -> dict[str, Any] | None:
    """Return what the child measures; None where that cannot be known yet."""
    try:
        config = project_config(project)
        settings, algo = config.training_pass, config.algo
    except ScaffoldError:
        return None
    if shape is None or not sample:
        return None
    algorithm = algorithm_of(algo) or ALGORITHMS[0]
    folders = [project.base, local_folder(project)]
    if project.is_demonstration:
        folders.append(tiny_folder())
    here = [one for one in folders if one and (one / "config.json").is_file()]
    tokenizers = [one for one in (project.tokenizer, *here) if (one / TOKENIZER).is_file()]
    rows = [[number % CUT for number in row.ids] for row in sample[: PASS // 4]]
    return {
        "config": str(here[0] / "config.json") if here else None,
        "family": base_family(project).name,
        "shape": asdict(shape),
        "modules": list(base_family(project).target_modules),
        "rank": int(settings.get("r") or algorithm.rank),
        "four_bits": config.has_nf4_base,
        "bfloat16": _has_bfloat16(config),
        "gpu": _on_gpu(config),
        "tokenizer": str(tokenizers[0] / TOKENIZER) if tokenizers else None,
        "row": _bucket(sum(map(len, rows)) / len(rows)),
        "rows": rows,
    }


def _bucket(length: float) -> int:
    """Return the power of two nearest to a row's length: rows alike share a measurement."""
    return max(8, 1 << round(length).bit_length() - 1)


def _has_bfloat16(config: OliveConfig) -> bool:
    return _on_gpu(config) or machine.has_bfloat16() is not False


def _on_gpu(config: OliveConfig) -> bool:
    accelerators = config.system("host").get("accelerators") or [{}]
    return CUDA in (accelerators[0].get("execution_providers") or ())


def _measure(recipe: dict[str, Any]) -> Calibration | None:
    """Measure in a child process; None where that fails: a plan must not."""
    environment.prepare()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "recipe.json"
        work.write_text(json.dumps(recipe), encoding="utf-8")
        command = protocol.command(MODULE, {"recipe": str(work), "seconds": SECONDS})
        try:
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
            last = list(protocol.read(done.stdout.splitlines()))[-1]
            return Calibration.from_json(last)
        except (subprocess.TimeoutExpired, OSError, IndexError, KeyError, TypeError, ValueError):
            return None
