"""The Olive config, the requirements and the job are for the target that project.yaml names.

The target decides the accelerator that the ONNX model is built for, which ONNX Runtime the
environments get, and where training runs. Each file says it in its own words; a project of which
one half is for CUDA and the other for the CPU fails late, or answers slowly.

To mend it: change the file that is named, or let `phi3scaffold update --set target=...` change all
of them together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import JOB, OLIVE, Document, Tree
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import TRAINING, load_config
from phi3scaffold.project.settings import MARKER, Project
from phi3scaffold.targets.base import REMOTE

ID = "L06-target"
CPU, CUDA, DML = "CPUExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider"
# What the ONNX model may be built for; a job's is brought back, to a machine with a GPU or without.
PROVIDERS = {
    "cpu": (CPU,),
    "cuda": (CUDA,),
    "directml": (DML,),
    "aml": (CPU, CUDA),
    "arc": (CPU, CUDA),
}
RUNTIMES = {CPU: "onnxruntime", CUDA: "onnxruntime-gpu", DML: "onnxruntime-directml"}
TRAINS_ON_CPU = ("cpu", "directml")
# What copier.yml refuses as well, with the reasons.
NOT_FOR = {CPU: ("fp16", "bf16"), DML: ("int8", "fp32")}


def check(tree: Tree) -> Iterator[Verdict]:
    project = tree.project
    if project is None:
        yield Verdict(ID, "skipped", "project.yaml cannot be understood")
        return
    config = tree.document(OLIVE)
    if config:
        yield from _accelerators(config, project)
        yield from _training(config, project)
        yield from _precision(tree, config, project)
    yield from _packages(tree, project, _provider(config, project))
    if project.target == "directml" and project.adapters:
        document = tree.document(MARKER)
        assert document is not None
        yield Verdict(
            ID,
            "error",
            "Adapters cannot be swapped on DirectML: ONNX Runtime fails there.",
            document.at("adapters"),
            "take them out: the merged model in gen-model/onnx runs there",
        )
    if project.target not in REMOTE and tree.text(JOB) is not None:
        what = f"There is a job for the cloud, and the target is {project.target}."
        yield Verdict(ID, "note", what, JOB, "remove it, or target: aml in project.yaml")


def _accelerators(config: Document, project: Project) -> Iterator[Verdict]:
    known = PROVIDERS[project.target]
    systems = config.get("systems")
    for name, system in systems.items() if isinstance(systems, dict) else ():
        found = system.get("accelerators") if isinstance(system, dict) else None
        for index in range(len(found) if isinstance(found, list) else 0):
            at = ("systems", name, "accelerators", index)
            providers = config.get(*at, "execution_providers")
            provider = next((one for one in known if providers == [one]), known[0])
            device = "cpu" if provider == CPU else "gpu"
            for key, wanted in (("device", device), ("execution_providers", [provider])):
                value = config.get(*at, key)
                if value is not None and value != wanted:
                    yield Verdict(
                        ID,
                        "error",
                        f"{value!r} is not for the target {project.target}.",
                        config.at(*at, key),
                        _fix(f'"{key}": {json.dumps(wanted)}', project),
                    )


def _training(config: Document, project: Project) -> Iterator[Verdict]:
    on_cpu = project.target in TRAINS_ON_CPU
    passes = config.get("passes")
    for name, settings in passes.items() if isinstance(passes, dict) else ():
        kind = settings.get("type") if isinstance(settings, dict) else None
        if str(kind).lower() not in TRAINING:
            continue
        at = ("passes", name, "training_args", "use_cpu")
        if bool(config.get(*at)) != on_cpu:
            what = "Training never uses a GPU" if on_cpu else "Training is kept on the CPU"
            yield Verdict(
                ID,
                "error",
                f"{what} with the target {project.target}, and this says otherwise."
                if on_cpu
                else f"{what}, and the target is {project.target}.",
                config.at(*at),
                _fix('"use_cpu": true' if on_cpu else "take use_cpu out", project),
            )


def _precision(tree: Tree, config: Document, project: Project) -> Iterator[Verdict]:
    try:
        precision = load_config(tree.root / OLIVE).precision
    except ScaffoldError:
        return  # L08 says so
    provider = _provider(config, project)
    if precision in NOT_FOR.get(provider, ()):
        name = next(
            (key for key, one in config.content["passes"].items() if one["type"] == "ModelBuilder"),
            "build",
        )
        yield Verdict(
            ID,
            "error",
            f"ONNX Runtime does not run {precision} through {provider}.",
            config.at("passes", name, "precision"),
            "int4 through a quantizer before it, as fine-tuning/README.md shows",
        )


def _provider(config: Document | None, project: Project) -> str:
    """The execution provider that the ONNX model is built for: that of Olive's target system."""
    known = PROVIDERS[project.target]
    if config is None:
        return known[0]
    name = config.get("target") or config.get("host")
    found = config.get("systems", str(name), "accelerators", 0, "execution_providers")
    return next((one for one in known if found == [one]), known[0])


def _packages(tree: Tree, project: Project, provider: str) -> Iterator[Verdict]:
    """One ONNX Runtime to an environment, and the right one."""
    here = CUDA if project.target == "cuda" else CPU
    in_job = CPU if project.is_demonstration else CUDA
    wanted = {
        "setup/requirements.txt": RUNTIMES[here],
        "inferences/requirements-onnx.txt": RUNTIMES[provider],
    }
    if project.target == "directml":
        wanted["setup/requirements-infer.txt"] = RUNTIMES[DML]
    if project.target in REMOTE:
        wanted["setup/conda.yaml"] = RUNTIMES[in_job]
    for name, package in wanted.items():
        text = tree.text(name)
        if text is None:
            what = f"It is missing; the target {project.target} needs it."
            yield Verdict(ID, "error", what, name, _fix(None, project))
            continue
        found = [
            (number, match[1])
            for number, line in enumerate(text.splitlines(), 1)
            if (match := re.match(r"\s*(?:- )?(onnxruntime(?:-gpu|-directml)?)==", line))
        ]
        for number, other in found:
            if other != package:
                what = f"{other} is not for the target {project.target}: {package} is."
                yield Verdict(ID, "error", what, f"{name}:{number}", _fix(None, project))
        if not found:
            what = f"It names no {package}."
            yield Verdict(ID, "error", what, name, _fix(None, project))


def _fix(here: str | None, project: Project) -> str:
    whole = f"phi3scaffold update --set target={project.target}"
    return f"{here}; or, for all files together, {whole}" if here else whole
