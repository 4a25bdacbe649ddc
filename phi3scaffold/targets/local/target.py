"""The targets that run the pipeline on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.providers import CUDA, DIRECTML
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.base import Target


class Cpu(Target):
    """The processor of this machine."""

    name = "cpu"


class Cuda(Target):
    """An NVIDIA GPU of this machine."""

    name = "cuda"
    providers = (CUDA,)
    uses_gpu = True
    notice = ("It needs an NVIDIA GPU and its driver; `phi3scaffold doctor` says what is missing.",)

    def check(self, project: Project, verb: str) -> None:
        check_cuda(project, f"phi3scaffold {verb} --local")


class DirectMl(Target):
    """Any GPU of a Windows machine, for inference only; the processor trains and builds."""

    name = "directml"
    providers = (DIRECTML,)
    inference_venv = ".venv-infer"  # its ONNX Runtime cannot stand beside the CPU's
    notice = ("Training and building use the CPU, never DirectML; answering does, on Windows.",)

    def check(self, project: Project, verb: str) -> None:
        for error in self.problems(project):
            fix = f"{error.fix}; or phi3scaffold {verb} --local"
            raise ScaffoldError(error.what, where=error.where, fix=fix)

    def problems(self, project: Project) -> Iterator[ScaffoldError]:
        """Yield that adapters cannot be swapped (onnxruntime issue 23503)."""
        if project.adapters:
            yield ScaffoldError(
                "Adapters cannot be swapped on DirectML: ONNX Runtime fails there.",
                where=f"{project.root / PROJECT_FILE}: adapters",
                fix="take them out: the merged model in gen-model/onnx runs there",
            )

    def environments(self, project: Project) -> dict[str, str]:
        return {**super().environments(project), "setup/requirements-infer.txt": DIRECTML}


def check_cuda(project: Project, local: str) -> None:
    """Refuse to go on without a CUDA device.

    Args:
        local: the command that runs the same on the CPU.

    Raises:
        ScaffoldError: PyTorch is missing, was built for the CPU, or sees no device.
    """
    if importlib.util.find_spec("torch") is None:
        raise ScaffoldError("PyTorch is not installed here.", where=project.root, fix="make setup")
    import torch

    if not torch.cuda.is_available():
        for_cpu = torch.version.cuda is None
        why = "PyTorch was installed for the CPU" if for_cpu else "the driver shows none"
        raise ScaffoldError(
            f"This project is for CUDA, and no CUDA device can be used here: {why}.",
            where=f"{project.root / PROJECT_FILE}: target",
            fix="run it on a machine with an NVIDIA GPU (what this one lacks: phi3scaffold doctor "
            f"--only gpu), or here on the CPU: {local}",
        )
