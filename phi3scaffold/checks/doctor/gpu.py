"""The GPU that the target needs is there, with a driver and packages that fit it.

`--target cuda` needs an NVIDIA GPU, a driver that runs the CUDA which PyTorch was built for, and
PyTorch's build for CUDA. On Linux pip takes that build by itself, unless PIP_EXTRA_INDEX_URL or
PIP_INDEX_URL names the index of the CPU builds; on Windows pip takes the CPU's, and the index of
the CUDA builds has to be named (pytorch.org, "Start Locally"). `--target directml` trains and
builds on the CPU and answers on any GPU of Windows.

To mend it: install the driver (nvidia.com/drivers), or PyTorch's other build. Without a GPU
`--local` runs a CUDA project on the CPU.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.installed_packages import Environment
from phi3scaffold.checks.resource_estimates import weights_of
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.pipeline import machine
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.project.settings import Project

ID = "D09-gpu"
CUDA_BUILD = re.compile(r"(?:nvidia|cuda)-[\w-]+")
RUNTIME = re.compile(r"(?:nvidia-cuda-runtime|cuda-toolkit)(?:-cu(\d+))?(?:\[.*?\])?\s*==\s*(\d+)?")
BFLOAT16 = 8.0  # compute capability (Ampere)


def check(scene: Scene) -> Iterator[Verdict]:
    if scene.target == "cuda":
        yield from _cuda(scene)
    elif scene.target == "directml":
        yield from _directml()
    elif not scene.remote:
        yield from _unused(scene)


def _cuda(scene: Scene) -> Iterator[Verdict]:
    local = "or here on the CPU: phi3scaffold run --local"
    gpus = scene.gpus
    if not gpus:
        if machine.has_nvidia_card():
            yield Verdict(
                ID,
                "error",
                "There is an NVIDIA GPU, and its driver does not answer (nvidia-smi)",
                fix="install NVIDIA's driver; in a container: docker run --gpus all, and the "
                f"NVIDIA Container Toolkit on the host; {local}",
            )
        else:
            yield Verdict(
                ID,
                "error",
                "--target cuda needs an NVIDIA GPU, and there is none here",
                fix=f"a machine that has one; {local}",
            )
        return
    yield from _memory(scene, gpus)
    for one in scene.environments:
        yield from _build(one, scene)


def _memory(scene: Scene, gpus: tuple[machine.Gpu, ...]) -> Iterator[Verdict]:
    weights, bits = weights_of(scene.model, scene.project), 16
    if weights and scene.project is not None and _is_qlora(scene.project):
        weights, bits = weights // 3, 4  # and what stays in 16 bits
    for one in gpus:
        told = f"{one.name}, {binary_size(one.memory)}, driver {one.driver}"
        if weights and one.memory < weights:
            yield Verdict(
                ID,
                "warning",
                f"{told}: the {bits}-bit weights of {scene.model} take {binary_size(weights)}, "
                "before anything is trained",
                fix="a smaller model" + ("" if bits == 4 else "; --algo qlora keeps 4 bits"),
            )
        elif 0 < one.capability < BFLOAT16:
            yield Verdict(
                ID,
                "note",
                f"{told}: it has no bfloat16 (compute capability {one.capability:g}, 8.0 has), so "
                "training is in float32, twice the memory",
            )
        else:
            yield Verdict(ID, "ok", told)


def _is_qlora(project: Project) -> bool:
    from phi3scaffold.project.olive_config import load_config

    try:
        return load_config(project.olive_config).algo.lower() == "qlora"
    except ScaffoldError:  # lint looks at that file
        return False


def _build(one: Environment, scene: Scene) -> Iterator[Verdict]:
    torch = one.installed("torch")
    if torch is None:
        return  # packages says so
    where, requires = f"{one.name}: {one.folder}", one.requires("torch")
    for_cuda = "+cu" in torch or any(CUDA_BUILD.match(line) for line in requires)
    if "+cpu" in torch or (not for_cuda and "+" not in torch):
        index = (
            "set PIP_EXTRA_INDEX_URL to the index of PyTorch's CUDA builds"
            if sys.platform == "win32"
            else "unset PIP_EXTRA_INDEX_URL and PIP_INDEX_URL where they name PyTorch's CPU builds"
        )
        yield Verdict(
            ID,
            "error",
            f"torch {torch} is the build for the CPU; the GPU is not used",
            where=where,
            fix=f"{one.python} -m pip uninstall -y torch; {index} (pytorch.org, Start Locally); "
            f"{scene.setup}",
        )
        return
    needed, driver = _cuda_of(torch, requires), machine.driver_cuda()
    if needed and driver and int(driver) < needed:
        yield Verdict(
            ID,
            "error",
            f"torch {torch} is built for CUDA {needed}; the driver runs CUDA {driver:g} at most",
            where=where,
            fix="update NVIDIA's driver (nvidia.com/drivers)",
        )


def _cuda_of(torch: str, requires: list[str]) -> int | None:
    """The major version of CUDA that PyTorch was built for."""
    match = re.search(r"\+cu(\d+)\d$", torch)
    if match:
        return int(match[1])
    for line in requires:
        match = RUNTIME.match(line)
        if match and (match[1] or match[2]):
            return int(match[1] or match[2])
    return None


def _directml() -> Iterator[Verdict]:
    if sys.platform != "win32":
        yield Verdict(
            ID,
            "note",
            "Training and building work here, on the CPU; DirectML answers on Windows alone",
            fix="copy gen-model/onnx/ to the same project on Windows",
        )
        return
    adapters = machine.windows_adapters()
    real = [name for name in adapters if "Basic" not in name and "Remote" not in name]
    if real:
        yield Verdict(ID, "ok", f"{', '.join(real)}; training and building use the CPU")
    else:
        yield Verdict(
            ID,
            "error",
            f"Windows shows no GPU with a driver of its own: {', '.join(adapters) or 'none'}",
            fix="install the driver of the GPU's maker",
        )


def _unused(scene: Scene) -> Iterator[Verdict]:
    gpus = scene.gpus
    names = ", ".join(one.name for one in gpus)
    if gpus and scene.project is not None:
        yield Verdict(
            ID,
            "note",
            f"{names}: this project is for the CPU, and leaves it alone",
            fix="a project that uses it: phi3scaffold new DIR --target cuda",
        )
    elif gpus:
        yield Verdict(ID, "ok", f"{names}; --target cuda uses it")
