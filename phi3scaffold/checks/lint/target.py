"""The Olive config, the requirements and the job are for the target in project.yaml.

The target decides the accelerator that the ONNX model is built for, the ONNX Runtime in each
environment, and where training runs. A project that is half for CUDA and half for the CPU fails
late, or is slow.

To fix it: change the file that is named, or let `phi3scaffold update --set target=...` change all
of them together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import OLIVE, Document, LintContext
from phi3scaffold.project.algorithms import algorithm_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.olive_config import load_config
from phi3scaffold.project.providers import CPU, CUDA, DIRECTML
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.base import Target
from phi3scaffold.targets.registry import TARGETS, target_of

ID = "L06-target"
RUNTIMES = {CPU: "onnxruntime", CUDA: "onnxruntime-gpu", DIRECTML: "onnxruntime-directml"}
# What copier.yml refuses as well, with the reasons.
NOT_FOR = {CPU: ("fp16", "bf16"), DIRECTML: ("int8", "fp32")}


def check(context: LintContext) -> Iterator[Finding]:
    project = context.require_project()
    target, config = target_of(project), context.document(OLIVE)
    if config:
        yield from _accelerators(config, target)
        yield from _training(config, target)
        yield from _precision(context, config, target)
    yield from _packages(context, project, _provider(config, target))
    for error in target.problems(project):
        yield context.finding(ID, error)
    owners = {name: one.name for one in reversed(TARGETS.values()) for name in one.files}
    for name, owner in owners.items():
        if name not in target.files and context.text(name) is not None:
            what = f"It is for the target {owner}, and the target is {target.name}."
            fix = f"remove it, or target: {owner} in project.yaml"
            yield Finding(ID, "note", what, name, fix)


def _accelerators(config: Document, target: Target) -> Iterator[Finding]:
    known = target.providers
    for name, system in config.mappings("systems"):
        found = system.get("accelerators")
        for index in range(len(found) if isinstance(found, list) else 0):
            at = ("systems", name, "accelerators", index)
            providers = config.get(*at, "execution_providers")
            provider = next((one for one in known if providers == [one]), known[0])
            device = "cpu" if provider == CPU else "gpu"
            for key, wanted in (("device", device), ("execution_providers", [provider])):
                value = config.get(*at, key)
                if value is not None and value != wanted:
                    what = f"{value!r} is not for the target {target.name}."
                    fix = _fix(f'"{key}": {json.dumps(wanted)}', target)
                    yield Finding(ID, "error", what, config.at(*at, key), fix)


def _training(config: Document, target: Target) -> Iterator[Finding]:
    on_cpu = not target.uses_gpu
    for name, settings in config.mappings("passes"):
        if algorithm_of(settings.get("type")) is None:
            continue
        at = ("passes", name, "training_args", "use_cpu")
        if bool(config.get(*at)) != on_cpu:
            what = f"Training is kept on the CPU, and the target is {target.name}."
            fix = "take use_cpu out"
            if on_cpu:
                what = f"Training never uses a GPU with the target {target.name}, and this says "
                what += "otherwise."
                fix = '"use_cpu": true'
            yield Finding(ID, "error", what, config.at(*at), _fix(fix, target))


def _precision(context: LintContext, config: Document, target: Target) -> Iterator[Finding]:
    try:
        precision = load_config(context.root / OLIVE).precision
    except ScaffoldError:
        return  # L08 says so
    provider = _provider(config, target)
    if precision in NOT_FOR.get(provider, ()):
        builders = [key for key, one in config.mappings("passes") if one["type"] == "ModelBuilder"]
        name = builders[0] if builders else "build"
        what = f"ONNX Runtime does not run {precision} through {provider}."
        fix = "int4 through a quantizer before it, as fine-tuning/README.md shows"
        yield Finding(ID, "error", what, config.at("passes", name, "precision"), fix)


def _provider(config: Document | None, target: Target) -> str:
    """Return the execution provider of Olive's target system, which the ONNX model is built for."""
    known = target.providers
    if config is None:
        return known[0]
    name = config.get("target") or config.get("host")
    found = config.get("systems", str(name), "accelerators", 0, "execution_providers")
    return next((one for one in known if found == [one]), known[0])


def _packages(context: LintContext, project: Project, provider: str) -> Iterator[Finding]:
    """Check that every environment has one ONNX Runtime, and the right one."""
    target = target_of(project)
    wanted = {"inferences/requirements-onnx.txt": provider, **target.environments(project)}
    for name, wanted_provider in wanted.items():
        package, text = RUNTIMES[wanted_provider], context.text(name)
        if text is None:
            what = f"It is missing; the target {target.name} needs it."
            yield Finding(ID, "error", what, name, _fix(None, target))
            continue
        found = [
            (number, match[1])
            for number, line in enumerate(text.splitlines(), 1)
            if (match := re.match(r"\s*(?:- )?(onnxruntime(?:-gpu|-directml)?)==", line))
        ]
        for number, other in found:
            if other != package:
                what = f"{other} is not for the target {target.name}: {package} is."
                yield Finding(ID, "error", what, f"{name}:{number}", _fix(None, target))
        if not found:
            what = f"It names no {package}."
            yield Finding(ID, "error", what, name, _fix(None, target))


def _fix(here: str | None, target: Target) -> str:
    whole = f"phi3scaffold update --set target={target.name}"
    return f"{here}; or, for all files together, {whole}" if here else whole
