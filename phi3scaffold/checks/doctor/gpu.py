"""The GPU that the target needs is there, with a driver and packages that fit it.

`--target cuda` needs an NVIDIA GPU, a driver that runs the CUDA which PyTorch was built for, and
PyTorch's build for CUDA. On Linux pip takes that build by itself, unless PIP_EXTRA_INDEX_URL or
PIP_INDEX_URL names the index of the CPU builds; on Windows pip takes the CPU's, and the index of
the CUDA builds has to be named (pytorch.org, "Start Locally"). `--target directml` trains and
builds on the CPU and answers on any GPU of Windows.

To fix it: install the driver (nvidia.com/drivers), or PyTorch's other build. Without a GPU
`--local` runs a CUDA project on the CPU.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from phi3scaffold.checks.resource_estimates import weights_of
from phi3scaffold.pipeline import machine
from phi3scaffold.pipeline.installed_packages import Environment
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.project.providers import DIRECTML
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D09-gpu"
CUDA_BUILD = re.compile(r"(?:nvidia|cuda)-[\w-]+")
RUNTIME = re.compile(r"(?:nvidia-cuda-runtime|cuda-toolkit)(?:-cu(\d+))?(?:\[.*?\])?\s*==\s*(\d+)?")
BFLOAT16 = 8.0  # compute capability (Ampere)


def check(context: DoctorContext) -> Iterator[Finding]:
    if context.trains_on_gpu:
        yield from _cuda(context)
    elif context.target is not None and DIRECTML in context.target.providers:
        yield from _directml()
    elif not context.remote:
        yield from _unused(context)


def _cuda(context: DoctorContext) -> Iterator[Finding]:
    if not context.gpus:
        what = "--target cuda needs an NVIDIA GPU, and there is none here"
        fix = "a machine that has one"
        if machine.has_nvidia_card():
            what = "There is an NVIDIA GPU, and its driver does not answer (nvidia-smi)"
            fix = "install NVIDIA's driver; in a container: docker run --gpus all, and the NVIDIA "
            fix += "Container Toolkit on the host"
        yield Finding(ID, "error", what, fix=f"{fix}; or here on the CPU: phi3scaffold run --local")
        return
    yield from _memory(context)
    for one in context.environments:
        yield from _build(one, context)


def _memory(context: DoctorContext) -> Iterator[Finding]:
    weights, bits = weights_of(context.model, context.project), 16
    if weights and context.project is not None and _is_qlora(context.project):
        weights, bits = weights // 3, 4  # and what stays in 16 bits
    for one in context.gpus:
        card = f"{one.name}, {binary_size(one.memory)}, driver {one.driver}"
        if weights and one.memory < weights:
            what = (
                f"{card}: the {bits}-bit weights of {context.model} take {binary_size(weights)}, "
            )
            what += "before anything is trained"
            fix = "a smaller model" + ("" if bits == 4 else "; --algo qlora keeps 4 bits")
            yield Finding(ID, "warning", what, fix=fix)
        elif 0 < one.capability < BFLOAT16:
            what = f"{card}: it has no bfloat16 (compute capability {one.capability:g}, 8.0 has), "
            what += "so training is in float32, twice the memory"
            yield Finding(ID, "note", what)
        else:
            yield Finding(ID, "ok", card)


def _is_qlora(project: Project) -> bool:
    from phi3scaffold.project.algorithms import has_four_bit_base
    from phi3scaffold.project.olive_config import load_config

    try:
        return has_four_bit_base(load_config(project.olive_config).algo)
    except ScaffoldError:  # lint looks at that file
        return False


def _build(one: Environment, context: DoctorContext) -> Iterator[Finding]:
    torch = one.installed("torch")
    if torch is None:
        return  # packages says so
    where, requires = f"{one.name}: {one.folder}", one.requires("torch")
    for_cuda = "+cu" in torch or any(CUDA_BUILD.match(line) for line in requires)
    if "+cpu" in torch or (not for_cuda and "+" not in torch):
        index = "unset PIP_EXTRA_INDEX_URL and PIP_INDEX_URL where they name PyTorch's CPU builds"
        if sys.platform == "win32":
            index = "set PIP_EXTRA_INDEX_URL to the index of PyTorch's CUDA builds"
        what = f"torch {torch} is the build for the CPU; the GPU is not used"
        fix = f"{one.python} -m pip uninstall -y torch; {index} (pytorch.org, Start Locally); "
        yield Finding(ID, "error", what, where, fix + context.setup)
        return
    needed, driver = _cuda_of(torch, requires), machine.driver_cuda()
    if needed and driver and int(driver) < needed:
        what = f"torch {torch} is built for CUDA {needed}; the driver runs CUDA {driver:g} at most"
        yield Finding(ID, "error", what, where, "update NVIDIA's driver (nvidia.com/drivers)")


def _cuda_of(torch: str, requires: list[str]) -> int | None:
    """Return the major version of CUDA that PyTorch was built for."""
    match = re.search(r"\+cu(\d+)\d$", torch)
    if match:
        return int(match[1])
    for line in requires:
        match = RUNTIME.match(line)
        if match and (match[1] or match[2]):
            return int(match[1] or match[2])
    return None


def _directml() -> Iterator[Finding]:
    if sys.platform != "win32":
        what = "Training and building work here, on the CPU; DirectML answers on Windows alone"
        yield Finding(ID, "note", what, fix="copy gen-model/onnx/ to the same project on Windows")
        return
    adapters = machine.windows_adapters()
    real = [name for name in adapters if "Basic" not in name and "Remote" not in name]
    if real:
        yield Finding(ID, "ok", f"{', '.join(real)}; training and building use the CPU")
    else:
        what = f"Windows shows no GPU with a driver of its own: {', '.join(adapters) or 'none'}"
        yield Finding(ID, "error", what, fix="install the driver of the GPU's maker")


def _unused(context: DoctorContext) -> Iterator[Finding]:
    names = ", ".join(one.name for one in context.gpus)
    if names and context.project is not None:
        what = f"{names}: this project is for the CPU, and does not use it"
        fix = "a project that uses it: phi3scaffold new DIR --target cuda"
        yield Finding(ID, "note", what, fix=fix)
    elif names:
        yield Finding(ID, "ok", f"{names}; --target cuda uses it")
