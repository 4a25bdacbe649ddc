"""Whether PyTorch can use a CUDA device here."""

from __future__ import annotations

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project


def check_cuda(project: Project, local: str) -> None:
    """Refuse to go on without a CUDA device.

    Args:
        local: the command that runs the same on the CPU.

    Raises:
        ScaffoldError: PyTorch is missing, was built for the CPU, or sees no device.
    """
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        raise ScaffoldError("PyTorch is not installed here.", where=project.root, fix="make setup")
    import torch

    if not torch.cuda.is_available():
        raise ScaffoldError(
            "This project is for CUDA, and no CUDA device can be used here: "
            + (
                "PyTorch was installed for the CPU."
                if torch.version.cuda is None
                else "the driver shows none."
            ),
            where=f"{project.root / PROJECT_FILE}: target",
            fix="run it on a machine with an NVIDIA GPU (what this one lacks: phi3scaffold doctor "
            f"--only gpu), or here on the CPU: {local}",
        )
