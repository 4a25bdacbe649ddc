"""Where the pipeline runs: here, or as a job on somebody else's machine."""

from __future__ import annotations

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

ANYWHERE = ("data", "model")  # stages that need no accelerator
REMOTE = ("aml", "arc")


def check_target(project: Project, verb: str) -> None:
    """Refuse, before anything is loaded, what the project's target cannot do on this machine.

    Raises:
        ScaffoldError: exit code 2; says plainly what is missing and what works instead.
    """
    if verb in ANYWHERE or project.local:
        return
    local = f"phi3scaffold {verb} --local"
    if project.target in REMOTE:
        raise ScaffoldError(
            f"This project runs as a whole in the cloud ({project.target}), not stage by stage.",
            where=f"{project.root / 'project.yaml'}: target",
            fix=f"all of it there: phi3scaffold job submit; or here, on the CPU: {local}",
        )
    if project.target == "directml" and project.adapters:  # onnxruntime issue 23503
        raise ScaffoldError(
            "Adapters cannot be swapped on DirectML: ONNX Runtime fails there.",
            where=f"{project.root / 'project.yaml'}: adapters",
            fix=f"take them out: the merged model in gen-model/onnx runs there; or {local}",
        )
    if project.target == "cuda":
        check_cuda(project, local)


def check_cuda(project: Project, local: str) -> None:
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
            where=f"{project.root / 'project.yaml'}: target",
            fix="run it on a machine with an NVIDIA GPU (what this one lacks: phi3scaffold doctor "
            f"--only gpu), or here on the CPU: {local}",
        )


def runs_remotely(project: Project, verb: str) -> bool:
    """Whether the verb means a job in the cloud."""
    return verb == "run" and project.target in REMOTE and not project.local


def check_remote(project: Project, verb: str) -> None:
    """Refuse a verb for jobs in a project that runs here. Raises ScaffoldError."""
    if project.target not in REMOTE:
        raise ScaffoldError(
            f"`{verb}` is for jobs in the cloud; this project runs here, on {project.target}.",
            where=f"{project.root / 'project.yaml'}: target",
            fix="phi3scaffold run; or make a project with --target aml",
        )
