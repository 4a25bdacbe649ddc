"""What is wrong with fine-tuning/job.yml, before anything is sent.

Azure ML's own validation takes an undefined input, a size such as ``sixteen`` and a missing
instance type; the job then fails after minutes in a queue, or trains on a machine without a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.key_locations import Key, find_places
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.base import FileProblem

JOB = Path("fine-tuning") / "job.yml"
REFERENCE = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")
VARIABLES = re.compile(r"name|output_name|default_datastore")
CHECKPOINTS = re.compile(r"--checkpoints[ =]\s*(\$\{\{[^}]*\}\}|\S*)")
SIZE = re.compile(r"[1-9][0-9]*[bkmg]")
GPU = re.compile(r"(?i)standard_n[cdv]")
NAMED = re.compile(r"[A-Za-z0-9][\w-]{0,249}")
SECRET = re.compile(r"hf_[A-Za-z0-9]{20,}|AccountKey=|[?&]sig=|-----BEGIN")
# What .amlignore has to keep here, each with a file that it is about.
NOT_UPLOADED = {
    "model-cache/": "model-cache/base/model.safetensors",
    "gen-model/": "gen-model/onnx/model.onnx.data",
    ".env": ".env",
    ".env.*": ".env.local",
    ".azureml/": ".azureml/config.json",
    ".git/": ".git/config",
    ".venv/": ".venv/bin/python",
}
ASSET = re.compile(r"azureml:[A-Za-z0-9][\w.-]*(:[\w.-]+|@latest)")
DATASTORE = re.compile(
    r"azureml://(subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/)?"
    r"datastores/(?P<name>[A-Za-z0-9_]+)/paths/(?P<path>.+)",
    re.IGNORECASE,
)
REGISTRY = re.compile(
    r"azureml://registries/[^/]+/(models|data|environments)/[^/]+/versions/[^/]+/?"
)
MAPPINGS = ("inputs", "outputs", "resources", "limits", "distribution", "queue_settings",
            "identity", "environment_variables")  # fmt: skip
WHOLE = {  # whole numbers: key -> an example
    "resources.instance_count": "1",
    "distribution.process_count_per_instance": "1, for each GPU of a node one",
    "limits.timeout": "86400, which is a day in seconds",
}
TIERS = ("spot", "basic", "standard", "premium", "null")
Problem = tuple[str, str, str] | None


def read_job(project: Project) -> dict[str, Any]:
    """Return the job file, checked. Raises ScaffoldError naming the line and key that is wrong."""
    path = project.root / JOB
    job = read_yaml(path)
    for key, what, fix in problems(job, project):
        raise ScaffoldError(what, where=place(path, key), fix=fix)
    return job


def place(path: Path, key: str) -> str:
    """Return ``job.yml:12: inputs.rows.path``; for a missing key, the line of what holds it."""
    at: Key = tuple(key.split(".")) if key else ()
    line = find_places(path.read_text(encoding="utf-8")).line(at)
    return f"{path}:{line}: {key}" if line else f"{path}: {key}".rstrip(": ")


def problems(job: dict[str, Any], project: Project) -> Iterator[FileProblem]:
    """Yield everything that is wrong with a job: its key, what, and the remedy."""
    checks = (_kind, _references, _sizes, _processes, _checkpoints, _compute, _paths)
    for check in (*checks, _environment, _secrets, _travel):
        found = check(job, project)
        if found:
            yield FileProblem(*found)


def _kind(job: dict[str, Any], project: Project) -> Problem:
    if job.get("type") != "command":
        return "type", f"The job's type is {job.get('type')!r}.", "type: command"
    for key in MAPPINGS:
        if not isinstance(job.get(key, {}), dict):
            return key, f"`{key}` must be a mapping.", "lines of `key: value` below it"
    distribution = _mapping(job.get("distribution")).get("type")
    if distribution not in (None, "pytorch"):
        what = f"The distribution {distribution!r} is not one that this job knows."
        return "distribution.type", what, "type: pytorch"
    experiment = job.get("experiment_name")
    if experiment is not None and not NAMED.fullmatch(str(experiment)):
        what = f"{experiment!r} is no name that Azure ML takes."
        return "experiment_name", what, "letters, digits, dashes and underscores"
    results = _mapping(job.get("outputs")).get("results", False)
    if results is False:
        what = "The job has no output `results`, so nothing could be brought back."
        return "outputs.results", what, "results: {type: uri_folder, mode: rw_mount}"
    if _mapping(results).get("type", "uri_folder") != "uri_folder":
        return "outputs.results.type", "Results are a folder of forms.", "type: uri_folder"
    return None


def _references(job: dict[str, Any], project: Project) -> Problem:
    command = job.get("command")
    if not isinstance(command, str) or not command.strip():
        return "command", "The command is missing, or is no text.", "as `phi3scaffold new` wrote it"
    known = {f"inputs.{key}" for key in _mapping(job.get("inputs"))}
    known |= {f"outputs.{key}" for key in _mapping(job.get("outputs"))}
    used = REFERENCE.findall(command)
    for name in used:
        if name not in known and not VARIABLES.fullmatch(name):
            fix = f"define it, or use one of: {', '.join(sorted(known)) or 'none is defined'}"
            return "command", f"It uses ${{{{{name}}}}}, which is not defined.", fix
    for name in sorted(known - set(used)):
        option = f"--{name.split('.')[1]} ${{{{{name}}}}}"
        less = "" if name == "outputs.results" else f"; or take {name} out"
        return "command", f"It never uses ${{{{{name}}}}}.", option + less
    return None


def _sizes(job: dict[str, Any], project: Project) -> Problem:
    resources = _mapping(job.get("resources"))
    shared = resources.get("shm_size")
    if shared is None:
        what = "The shared memory is not set; Azure ML's 2g is too little for PyTorch."
        return "resources.shm_size", what, "shm_size: 16g"
    if not SIZE.fullmatch(str(shared)):
        what = f"{shared!r} is no size."
        return "resources.shm_size", what, "a whole number and one of b, k, m, g: 16g"
    for key, example in WHOLE.items():
        holder, name = key.split(".")
        value = _mapping(job.get(holder)).get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return key, f"{value!r} is not a whole number of at least 1.", f"{name}: {example}"
    tier = _mapping(job.get("queue_settings")).get("job_tier")
    if tier is not None and str(tier).lower() not in TIERS:
        return "queue_settings.job_tier", f"Unknown tier {tier!r}.", "spot or standard"
    if tier is not None and job.get("compute") is not None:
        return (
            "queue_settings.job_tier",
            "Only serverless jobs have a tier; a cluster's own priority decides.",
            "take queue_settings out, or `compute`; a spot cluster: spot in setup/azure.bicepparam",
        )
    return None


def _processes(job: dict[str, Any], project: Project) -> Problem:
    count = _mapping(job.get("resources")).get("instance_count", 1)
    if isinstance(count, int) and count > 1 and not _mapping(job.get("distribution")).get("type"):
        what = f"{count} machines would each train alone: nothing tells them of each other."
        fix = "distribution: {type: pytorch, process_count_per_instance: 1}, as the comment there"
        return "distribution", what, fix
    return None


def _checkpoints(job: dict[str, Any], project: Project) -> Problem:
    option = CHECKPOINTS.search(str(job.get("command")))
    tier = str(_mapping(job.get("queue_settings")).get("job_tier"))
    if option is None:
        if tier.lower() == "spot":
            what = "Spot machines can be removed, and the job saves nothing to resume from."
            return "command", what, "--checkpoints ${{outputs.checkpoints}}, and that output"
        return None
    match = REFERENCE.fullmatch(option[1])
    if match is None or not match[1].startswith("outputs."):
        what = "--checkpoints is not one of the job's outputs: it would go with the machine."
        return "command", what, "--checkpoints ${{outputs.checkpoints}}"
    name = match[1].removeprefix("outputs.")
    output = _mapping(_mapping(job.get("outputs")).get(name))
    mode = output.get("mode", "rw_mount")
    if mode != "rw_mount":
        what = f"{mode!r} writes when the job ends; a machine that is removed has written nothing."
        return f"outputs.{name}.mode", what, "mode: rw_mount"
    return None


def _compute(job: dict[str, Any], project: Project) -> Problem:
    compute, key = job.get("compute"), "resources.instance_type"
    instance = _mapping(job.get("resources")).get("instance_type")
    needs_gpu = "--local" not in str(job.get("command")).split()
    if compute is not None and not re.fullmatch(r"azureml:[A-Za-z0-9][\w-]{1,62}", str(compute)):
        return "compute", f"{compute!r} names no compute.", "compute: azureml:NAME"
    if instance is not None and not isinstance(instance, str):
        return key, f"{instance!r} is no instance type.", "one name"
    if project.target == "arc":
        if compute is None:
            return "compute", "The attached cluster is missing.", "compute: azureml:NAME"
        if not instance:
            what = "Without it Kubernetes takes its default, which has no GPU."
            return key, what, "the name of an InstanceType of the cluster: kubectl get instancetype"
        if needs_gpu and instance.lower() == "defaultinstancetype":
            what = "The default instance type has no GPU."
            return key, what, "one that has: kubectl get instancetype"
        return None
    if compute is None and not instance:
        return (
            key,
            "Neither a cluster nor an instance type is named; Azure ML then takes one with no GPU.",
            "instance_type: Standard_NC24ads_A100_v4",
        )
    if compute is None and needs_gpu and not GPU.match(str(instance)):
        what = f"{instance} has no NVIDIA GPU."
        return key, what, "one whose name begins with Standard_NC or Standard_ND"
    return None


def _paths(job: dict[str, Any], project: Project) -> Problem:
    here = project.root / JOB.parent
    for name, value in _mapping(job.get("inputs")).items():
        entry = value if isinstance(value, dict) else {"path": value}
        path, kind = entry.get("path"), entry.get("type")
        if name == "rows" and kind not in ("uri_folder", "uri_file", None):
            return f"inputs.{name}.type", f"Rows are no {kind}.", "uri_folder, or uri_file"
        key = f"inputs.{name}.path" if isinstance(value, dict) else f"inputs.{name}"
        if not isinstance(path, str):
            continue
        found = _address(path) if path.startswith("azureml:") else _here(path, kind, here)
        if found:
            return key, *found
    return None


def _address(path: str) -> tuple[str, str] | None:
    """Return what is wrong with an address in Azure ML, and what to do."""
    if path.startswith("azureml://registries/"):
        if not REGISTRY.fullmatch(path):
            base = re.split(r"/(?:labels|versions)(?:/|$)", path)[0].rstrip("/")
            return "An asset of a registry needs its version.", f"{base}/versions/N"
    elif path.startswith("azureml://"):
        if not DATASTORE.fullmatch(path):
            return f"{path} is no path of a datastore.", "azureml://datastores/NAME/paths/FOLDER/"
    elif not ASSET.fullmatch(path):
        return f"{path} is no asset at a version.", "azureml:NAME:VERSION, such as azureml:rows:1"
    return None


def _here(path: str, kind: Any, here: Path) -> tuple[str, str] | None:
    """Return what is wrong with a path of this machine, and what to do."""
    if "://" in path:
        return None
    if not (here / path).exists():
        return f"There is no {path} here.", "a path relative to fine-tuning/, with / in it"
    if kind == "uri_folder" and not (here / path).is_dir():
        return f"{path} is a file.", "type: uri_file"
    if kind == "uri_file" and not (here / path).is_file():
        return f"{path} is a folder.", "type: uri_folder"
    return None


def _environment(job: dict[str, Any], project: Project) -> Problem:
    here = project.root / JOB.parent
    environment = job.get("environment")
    if not environment:
        fix = "image and conda_file: ../setup/conda.yaml, as `phi3scaffold new` wrote it"
        return "environment", "The job's environment is missing.", fix
    if isinstance(environment, str):
        at_version = ASSET.fullmatch(environment) or REGISTRY.fullmatch(environment)
        if environment.startswith("azureml:") and not at_version:
            return "environment", f"{environment} has no version.", "azureml:NAME:VERSION"
        return None
    conda = _mapping(environment).get("conda_file")
    if isinstance(conda, str) and not (here / conda).is_file():
        return "environment.conda_file", f"There is no {conda} here.", "../setup/conda.yaml"
    if isinstance(conda, str) and re.search(r"- -r ", (here / conda).read_text("utf-8", "replace")):
        what = "It refers to another file, which Azure ML never sees: only this one is sent."
        return "environment.conda_file", what, "write the packages into it"
    return None


def _secrets(job: dict[str, Any], project: Project) -> Problem:
    open_to_all = "This looks like a secret; whoever may see the job could read it."
    for name, value in _mapping(job.get("environment_variables")).items():
        if SECRET.search(str(value)) or re.fullmatch(
            r"(?i)(hf_|hugging.*)?token|.*(secret|password)", name
        ):
            fix = "keep it in the workspace's Key Vault: azure.hf_token_secret of project.yaml"
            return f"environment_variables.{name}", open_to_all, fix
    for name, value in _mapping(job.get("inputs")).items():
        if SECRET.search(str(value)):
            return f"inputs.{name}", open_to_all, "a datastore keeps it: azureml://datastores/..."
    if SECRET.search(str(job.get("command"))):
        return "command", open_to_all, "keep it in the workspace's Key Vault"
    return None


def _travel(job: dict[str, Any], project: Project) -> Problem:
    code = job.get("code")
    there = project.root / JOB.parent / code if isinstance(code, str) else None
    if there is None or there.resolve() != project.root.resolve():
        return "code", "The job's code is the whole project.", "code: .."
    wheels = list((project.root / "setup").glob("phi3scaffold-*.whl"))
    if not wheels:
        what = "The runtime's wheel is missing from setup/."
        return "code", what, "phi3scaffold update writes it"
    if len(wheels) > 1:
        return "code", "There are several wheels of phi3scaffold in setup/.", "keep the newest"
    from pathspec import GitIgnoreSpec

    ignore = project.root / ".amlignore"
    lines = ignore.read_text("utf-8", "replace").splitlines() if ignore.is_file() else []
    excluded = GitIgnoreSpec.from_lines(lines)
    for pattern, example in NOT_UPLOADED.items():
        if not excluded.match_file(example):
            what = f".amlignore does not name {pattern}: it would be uploaded."
            return "code", what, f"write {pattern} into {ignore}"
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
