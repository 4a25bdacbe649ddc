"""What a model asks of a machine: memory by what was measured, disk by what the stages say.

The peaks were measured with a Phi-3-mini of the real size (3.8 billion parameters in bfloat16),
whose weights cost what the real ones cost, on two cores (tests/benchmarks/full_size.py; README,
"Measured" and "Recipes"); what `tiny` takes to train (README) is what the libraries take. Between
the two, and beyond, it is a straight line over the size of the weights.
"""

from __future__ import annotations

from typing import NamedTuple

from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.registry import target_of

GIB = 2**30
MEASURED_WEIGHTS = 7.64e9  # bytes
LIBRARIES = 0.88e9  # bytes
# bytes at most, of a process of that stage
PEAKS = {"training": 8.9 * GIB, "merging": 8.0 * GIB, "answering": 3.3 * GIB}
QUANTIZING = {"rtn": 10.7 * GIB, "kquant": 13 * GIB, "gptq": 15 * GIB}


class Need(NamedTuple):
    """What takes most of the memory: a word for it, and about how many bytes."""

    stage: str
    bytes: int


def weights_of(model: str, project: Project | None = None) -> int | None:
    """Bytes of the base model's 16-bit weights; None where they are not known before a download."""
    from phi3scaffold.models.model_lock import local_folder

    if project is not None and model == project.model_id:
        folder = local_folder(project)
        there = project.base_bytes
        if folder is not None and not there:
            there = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        if there:
            return there
    parameters = catalogue.describe(model).parameters
    return parameters * 2 if parameters else None


def memory_need(
    weights: int, *, bfloat16: bool | None, quantizer: str = "rtn", builds: bool = True
) -> Need:
    """The stage that takes most memory on a CPU, and how much.

    Args:
        weights: bytes in 16 bits.
        bfloat16: whether the processor has it; without it training is in float32.
        quantizer: one of Olive's, in small letters.
        builds: whether the whole pipeline runs here, or the model only answers here.
    """
    needs = [Need("answering", _line(PEAKS["answering"], weights))]
    if builds:
        training = _line(PEAKS["training"], weights) + (weights if bfloat16 is False else 0)
        quantizing = QUANTIZING.get(quantizer, QUANTIZING["rtn"])
        needs += [
            Need("training", training),
            Need("merging", _line(PEAKS["merging"], weights)),
            Need("quantizing", _line(quantizing, weights)),
        ]
    return max(needs, key=lambda need: need.bytes)


def _line(peak: float, weights: int) -> int:
    """The peak for weights of that size, by the two sizes that were measured."""
    return round(LIBRARIES + (peak - LIBRARIES) * weights / MEASURED_WEIGHTS)


def disk_need(project: Project, weights: int) -> int:
    """Bytes that the stages of a run not made yet may take, and the download before them.

    Of a project in the cloud, what is brought back: the adapter and the ONNX form.
    """
    from phi3scaffold.models.model_lock import local_folder
    from phi3scaffold.pipeline import manifest
    from phi3scaffold.stages.graph import STAGES, up_to

    remote = target_of(project).remote
    needed = 0
    for name in ("finetune", "export") if remote else up_to():
        stage = STAGES[name]
        try:
            if stage.wanted(project) and manifest.read(stage.folder(project)) is None:
                needed += stage.resources.disk(project, weights)
        except (ScaffoldError, OSError):  # the file that decides it is what other checks look at
            continue
    if remote:
        return needed
    folder = local_folder(project)
    linked = (
        folder is not None
        and folder.is_dir()
        and folder.stat().st_dev == project.root.stat().st_dev
    )
    return needed + (0 if project.base_bytes or linked else weights)
