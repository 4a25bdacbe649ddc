"""What is wrong with fine-tuning/job.yml, before anything is sent.

Azure ML's own validation takes an undefined input, a size such as ``sixteen`` and a missing
instance type; the job then fails after minutes in a queue, or trains on a machine without a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import Project, read_yaml

JOB = Path("fine-tuning") / "job.yml"
REFERENCE = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")
SIZE = re.compile(r"[1-9][0-9]*[bkmg]")
GPU = re.compile(r"(?i)standard_n[cdv]")
SECRET = re.compile(r"hf_[A-Za-z0-9]{20,}|AccountKey=|[?&]sig=|-----BEGIN")
# What .amlignore has to keep here, each with a file that it is about.
STAYS = {
    "model-cache/": "model-cache/base/model.safetensors",
    "gen-model/": "gen-model/onnx/model.onnx.data",
    ".env": ".env",
    ".env.*": ".env.local",
    ".azureml/": ".azureml/config.json",
    ".git/": ".git/config",
    ".venv/": ".venv/bin/python",
}
REGISTRY = re.compile(
    r"azureml://registries/[^/]+/(models|data|environments)/[^/]+(/(\w+)/([^/]+))?/?"
)


def read_job(project: Project) -> dict[str, Any]:
    """The job file, checked. Raises ScaffoldError naming the key that is wrong."""
    path = project.root / JOB
    job = read_yaml(path)
    for key, what, fix in findings(job, project):
        raise ScaffoldError(what, where=f"{path}: {key}", fix=fix)
    return job


Found = tuple[str, str, str] | None


def findings(job: dict[str, Any], project: Project) -> Iterator[tuple[str, str, str]]:
    """Everything that is wrong with a job: its key, what, and the remedy."""
    for check in (_kind, _references, _sizes, _compute, _paths, _secrets, _travel):
        found = check(job, project)
        if found:
            yield found


def _kind(job: dict[str, Any], project: Project) -> Found:
    if job.get("type") != "command":
        return "type", f"The job's type is {job.get('type')!r}.", "type: command"
    distribution = _mapping(job.get("distribution")).get("type")
    if distribution not in (None, "pytorch"):
        return (
            "distribution.type",
            f"The distribution {distribution!r} is not one that this job knows.",
            "type: pytorch",
        )
    if "results" not in _mapping(job.get("outputs")):
        return (
            "outputs.results",
            "The job has no output `results`, so nothing could be brought back.",
            "results: {type: uri_folder, mode: rw_mount}",
        )
    return None


def _references(job: dict[str, Any], project: Project) -> Found:
    command = job.get("command")
    if not isinstance(command, str) or not command.strip():
        return "command", "The command is missing.", "as `phi3scaffold new` wrote it"
    known = {f"inputs.{key}" for key in _mapping(job.get("inputs"))}
    known |= {f"outputs.{key}" for key in _mapping(job.get("outputs"))}
    for name in REFERENCE.findall(command):
        if name not in known and not re.fullmatch(r"(name|output_name|default_datastore)", name):
            return (
                "command",
                f"It uses ${{{{{name}}}}}, which is not defined.",
                f"define it, or use one of: {', '.join(sorted(known)) or 'none is defined'}",
            )
    if "outputs.results" not in REFERENCE.findall(command):
        return "command", "It never uses ${{outputs.results}}.", "--results ${{outputs.results}}"
    return None


def _sizes(job: dict[str, Any], project: Project) -> Found:
    resources = _mapping(job.get("resources"))
    shared = resources.get("shm_size")
    if shared is None:
        return (
            "resources.shm_size",
            "The shared memory is not set; Azure ML's 2g is too little for PyTorch.",
            "shm_size: 16g",
        )
    if not SIZE.fullmatch(str(shared)):
        return (
            "resources.shm_size",
            f"{shared!r} is no size.",
            "a whole number and one of b, k, m, g: 16g",
        )
    wholes = {
        "resources.instance_count": resources.get("instance_count", 1),
        "distribution.process_count_per_instance": _mapping(job.get("distribution")).get(
            "process_count_per_instance", 1
        ),
        "limits.timeout": _mapping(job.get("limits")).get("timeout", 1),
    }
    for key, value in wholes.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return key, f"{value!r} is not a whole number of at least 1.", f"{key.split('.')[1]}: 1"
    tier = _mapping(job.get("queue_settings")).get("job_tier")
    if tier is not None and str(tier).lower() not in (
        "spot",
        "basic",
        "standard",
        "premium",
        "null",
    ):
        return "queue_settings.job_tier", f"Unknown tier {tier!r}.", "spot or standard"
    return None


def _compute(job: dict[str, Any], project: Project) -> Found:
    compute, key = job.get("compute"), "resources.instance_type"
    instance = _mapping(job.get("resources")).get("instance_type")
    needs_gpu = "--local" not in str(job.get("command")).split()
    if compute is not None and not re.fullmatch(r"azureml:[A-Za-z0-9][\w-]{1,62}", str(compute)):
        return "compute", f"{compute!r} names no compute.", "compute: azureml:NAME"
    if project.target == "arc":
        if compute is None:
            return "compute", "The attached cluster is missing.", "compute: azureml:NAME"
        if not instance:
            return (
                key,
                "Without it Kubernetes takes its default, which has no GPU.",
                ("the name of an InstanceType of the cluster: kubectl get instancetype"),
            )
        if needs_gpu and str(instance).lower() == "defaultinstancetype":
            return (
                key,
                "The default instance type has no GPU.",
                ("one that has: kubectl get instancetype"),
            )
        return None
    if compute is None and not instance:
        return (
            key,
            "Neither a cluster nor an instance type is named; Azure ML then takes one with no GPU.",
            "instance_type: Standard_NC24ads_A100_v4",
        )
    if compute is None and needs_gpu and not GPU.match(str(instance)):
        return (
            key,
            f"{instance} has no NVIDIA GPU.",
            ("one whose name begins with Standard_NC or Standard_ND"),
        )
    return None


def _paths(job: dict[str, Any], project: Project) -> Found:
    here = project.root / JOB.parent
    for name, value in _mapping(job.get("inputs")).items():
        path = value.get("path") if isinstance(value, dict) else None
        if path is None:
            continue
        key = f"inputs.{name}.path"
        if str(path).startswith("azureml://registries/"):
            match = REGISTRY.fullmatch(str(path))
            if match is None or match[3] != "versions":
                return (
                    key,
                    "An asset of a registry needs its version.",
                    f"{str(path).split('/labels/')[0].rstrip('/')}/versions/N",
                )
        elif str(path).startswith("azureml:") and not str(path).startswith("azureml://"):
            if not re.fullmatch(r"azureml:[^:@]+(:[^:@]+|@latest)", str(path)):
                return key, "A data asset needs its version.", f"{path}:1"
        elif "://" not in str(path) and not (here / str(path)).exists():
            return key, f"There is no {path} here.", "a path relative to fine-tuning/"
    environment = _mapping(job.get("environment"))
    conda = environment.get("conda_file")
    if isinstance(conda, str) and not (here / conda).is_file():
        return "environment.conda_file", f"There is no {conda} here.", "../setup/conda.yaml"
    if isinstance(conda, str) and re.search(r"- -r ", (here / conda).read_text("utf-8", "replace")):
        return (
            "environment.conda_file",
            "It refers to another file, which Azure ML never sees: only this one is sent.",
            "write the packages into it",
        )
    return None


def _secrets(job: dict[str, Any], project: Project) -> Found:
    for name, value in _mapping(job.get("environment_variables")).items():
        if SECRET.search(str(value)) or re.fullmatch(
            r"(?i)(hf_|hugging.*)?token|.*(secret|password)", name
        ):
            return (
                f"environment_variables.{name}",
                "This looks like a secret; whoever may see the job could read it.",
                "keep it in the workspace's Key Vault",
            )
    return None


def _travel(job: dict[str, Any], project: Project) -> Found:
    if not list((project.root / "setup").glob("phi3scaffold-*.whl")):
        return (
            "code",
            "The runtime's wheel is missing from setup/.",
            ("make the project again, or take it from where it was made"),
        )
    if len(list((project.root / "setup").glob("phi3scaffold-*.whl"))) > 1:
        return "code", "There are several wheels of phi3scaffold in setup/.", "keep the newest"
    from pathspec import GitIgnoreSpec

    ignore = project.root / ".amlignore"
    lines = ignore.read_text("utf-8", "replace").splitlines() if ignore.is_file() else []
    stays = GitIgnoreSpec.from_lines(lines)
    for pattern, example in STAYS.items():
        if not stays.match_file(example):
            return (
                "code",
                f".amlignore does not name {pattern}: it would be uploaded.",
                (f"write {pattern} into {ignore}"),
            )
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
