"""A generated project on disk: its root, its settings, its folders."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

MARKER = "project.yaml"
TINY = "tiny"
DEMONSTRATION = "demonstration model: for testing the pipeline only"
DEFAULT_TARGET = "cpu"
MERGE_BASES = ("original", "nf4")
# What project.yaml may hold, and below it; None: whatever its own reader takes.
KEYS: dict[str, tuple[str, ...] | None] = {
    "model": ("id", "revision"),
    "target": None,
    "evaluate": ("rows",),
    "gate": None,
    "checkpoint_minutes": None,
    "merge_base": None,
    "adapters": None,
    "tracking": None,
    "lint": ("ignore",),
}
ADAPTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # also a folder's name


@dataclass(frozen=True)
class Project:
    """One project; every path is absolute.

    Attributes:
        root: the folder that holds project.yaml.
        model_id: a catalogue name, a hub id, or a local folder.
        revision: branch, tag or commit on the hub.
        target: where the pipeline runs, a name of `targets.registry`.
        evaluate_rows: how many held-out rows the evaluation asks each form.
        merge_base: what a QLoRA adapter is merged into, one of `MERGE_BASES`.
        local: run on this machine's CPU, whatever the target.
        given: the base model's folder where this run was handed one, as a job in the cloud is;
            `model_id` then only names it.
        checkpoint_minutes: how often training saves its state; None for never.
        checkpoints: where that goes, if not into the project: what outlives the machine.
        adapters: (name, folder) of the PEFT adapters to swap over one ONNX base, in file order.
        gate: the limits that project.yaml sets, as (name, value); `phi3scaffold.evaluation.limits`
            reads them.
        tracking: whether runs are tracked with MLflow.
    """

    root: Path
    model_id: str
    revision: str
    target: str
    evaluate_rows: int
    merge_base: str = "original"
    local: bool = False
    given: Path | None = None
    checkpoint_minutes: float | None = 10
    checkpoints: Path | None = None
    adapters: tuple[tuple[str, Path], ...] = ()
    gate: tuple[tuple[str, Any], ...] = ()
    tracking: bool = True

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values; `from_json` gives the same project again."""
        adapters = [[name, str(folder)] for name, folder in self.adapters]
        paths = {"root": self.root, "given": self.given, "checkpoints": self.checkpoints}
        told = {name: path and str(path) for name, path in paths.items()}
        return {**asdict(self), **told, "adapters": adapters}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Project:
        adapters = tuple((name, Path(folder)) for name, folder in values["adapters"])
        gate = tuple((key, limit) for key, limit in values["gate"])
        named = ("root", "given", "checkpoints")
        paths = {name: values[name] and Path(values[name]) for name in named}
        return cls(**{**values, **paths, "adapters": adapters, "gate": gate})

    @property
    def is_demonstration(self) -> bool:
        """The embedded model proves the pipeline; it is not for use, and everything says so."""
        return self.model_id == TINY

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def dataset_yaml(self) -> Path:
        return self.datasets / "dataset.yaml"

    @property
    def olive_config(self) -> Path:
        return self.root / "fine-tuning" / "olive-config.json"

    @property
    def job(self) -> Path:
        """The job that runs the pipeline in the cloud; only projects for such a target have it."""
        return self.root / "fine-tuning" / "job.yml"

    @property
    def lock(self) -> Path:
        return self.root / "model.lock"

    @property
    def tokenizer(self) -> Path:
        return self.root / "model-cache" / "tokenizer"

    @property
    def base(self) -> Path:
        return self.root / "model-cache" / "base"

    @property
    def base_bytes(self) -> int:
        """Size of the base model's weights on disk; 0 before they are there."""
        return sum(file.stat().st_size for file in self.base.glob("*.safetensors"))

    @property
    def gen(self) -> Path:
        return self.root / "gen-model"

    @property
    def rows(self) -> Path:
        """The rows as the data stage prepared them."""
        return self.gen / "data"

    @property
    def adapter(self) -> Path:
        return self.gen / "adapter"

    @property
    def merged(self) -> Path:
        return self.gen / "merged"

    @property
    def onnx(self) -> Path:
        return self.gen / "onnx"

    @property
    def onnx_adapter(self) -> Path:
        return self.gen / "onnx-adapter"

    @property
    def onnx_base(self) -> Path:
        return self.gen / "onnx-base"

    @property
    def evaluation(self) -> Path:
        return self.gen / "evaluation"

    @property
    def report(self) -> Path:
        return self.gen / "report"

    @property
    def release(self) -> Path:
        return self.gen / "release"


def find_project(start: Path | None = None) -> Project:
    """The project that `start` (default: the current folder) lies in.

    Raises:
        ScaffoldError: there is none, or its project.yaml is wrong.
    """
    return load_project(find_root(start))


def find_root(start: Path | None = None) -> Path:
    """Return the folder of that project; its files may be wrong.

    Raises:
        ScaffoldError: there is none.
    """
    root = root_above(start)
    if root is None:
        raise ScaffoldError(
            "This is not a phi3scaffold project: no project.yaml here or above.",
            where=(start or Path.cwd()).resolve(),
            fix="change into a project's folder, or make one: phi3scaffold new my-proj",
        )
    return root


def root_above(start: Path | None = None) -> Path | None:
    """Return the nearest folder with a project.yaml, from `start` (default: here) upwards."""
    here = (start or Path.cwd()).resolve()
    return next((one for one in (here, *here.parents) if (one / MARKER).is_file()), None)


def load_project(root: Path) -> Project:
    """Read `root`/project.yaml. Raises ScaffoldError naming the file, line and key."""
    return project_of(read_yaml(root / MARKER), root)


def project_of(settings: dict[str, Any], root: Path) -> Project:
    """The project in `root` whose project.yaml holds `settings`. Raises as `load_project` does."""
    path = root / MARKER
    model = _mapping(settings.get("model"), "model", path)
    evaluate = _mapping(settings.get("evaluate", {}), "evaluate", path)
    target = settings.get("target", DEFAULT_TARGET)
    if not isinstance(target, str):
        raise ScaffoldError(f"Unknown target {target!r}.", where=f"{path}: target")
    model_id = model.get("id")
    if not isinstance(model_id, str) or not model_id.strip():
        raise ScaffoldError(
            "The model is missing.",
            where=f"{path}: model.id",
            fix="a name from `phi3scaffold models`, a hub id, or a local folder",
        )
    rows = evaluate.get("rows", 100)
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ScaffoldError(
            f"evaluate.rows must be a whole number of at least 1, not {rows!r}.",
            where=f"{path}: evaluate.rows",
        )
    merge_base = settings.get("merge_base", "original")
    if merge_base not in MERGE_BASES:
        raise ScaffoldError(
            f"Unknown merge_base {merge_base!r}.",
            where=f"{path}: merge_base",
            fix=f"one of: {', '.join(MERGE_BASES)}",
        )
    minutes = settings.get("checkpoint_minutes", Project.checkpoint_minutes)
    if minutes is not None and (
        not isinstance(minutes, (int, float)) or isinstance(minutes, bool) or minutes <= 0
    ):
        raise ScaffoldError(
            f"checkpoint_minutes must be a number above 0, not {minutes!r}.",
            where=f"{path}: checkpoint_minutes",
            fix="such as 10; null for no checkpoints",
        )
    gate = _mapping(settings.get("gate") or {}, "gate", path)
    tracking = settings.get("tracking", True)
    if not isinstance(tracking, bool):
        raise ScaffoldError(
            f"tracking is true or false, not {tracking!r}.", where=f"{path}: tracking"
        )
    return Project(
        root=root,
        model_id=model_id,
        revision=str(model.get("revision", "main")),
        target=target,
        evaluate_rows=rows,
        adapters=_adapters(settings.get("adapters"), path),
        gate=tuple((str(key), limit) for key, limit in gate.items()),
        merge_base=merge_base,
        checkpoint_minutes=minutes,
        tracking=tracking,
    )


def _adapters(value: Any, path: Path) -> tuple[tuple[str, Path], ...]:
    """The mapping `adapters` of project.yaml: name -> folder, relative to the project."""
    found = []
    mapping = {} if value is None else value  # every line of it may be commented out
    for name, folder in _mapping(mapping, "adapters", path).items():
        if not isinstance(name, str) or not ADAPTER_NAME.fullmatch(name):
            raise ScaffoldError(
                f"An adapter cannot be called {name!r}.",
                where=f"{path}: adapters",
                fix="letters, digits, and within it also _ . -",
            )
        if not isinstance(folder, str) or not folder.strip():
            raise ScaffoldError(
                f"The adapter {name} needs a folder, not {folder!r}.",
                where=f"{path}: adapters.{name}",
                fix="a PEFT adapter's folder, such as gen-model/adapter",
            )
        found.append((name, (path.parent / Path(folder).expanduser()).resolve()))
    return tuple(found)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping. Raises ScaffoldError with the line."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScaffoldError("The file is missing.", where=path) from None
    except UnicodeDecodeError as error:
        raise ScaffoldError(
            f"Not UTF-8: {error.reason}.", where=path, fix="save it as UTF-8"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ScaffoldError(
            f"Not valid YAML: {why}.",
            where=f"{path}:{mark.line + 1}" if mark else path,
            fix="mend that line: blanks before keys, no tabs; quotes around texts with : { # or [",
        ) from None
    return _mapping(content, "the file", path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises ScaffoldError with the line."""
    import json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScaffoldError("The file is missing.", where=path) from None
    except json.JSONDecodeError as error:
        raise ScaffoldError(
            f"Not valid JSON: {error.msg}.", where=f"{path}:{error.lineno}", fix="mend that line"
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise ScaffoldError(f"Not valid JSON: {type(error).__name__}.", where=path) from None
    if not isinstance(content, dict):
        raise ScaffoldError("It must hold a JSON object.", where=f"{path}:1")
    return content


def _mapping(value: Any, name: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScaffoldError(
            f"{name[:1].upper()}{name[1:]} must be a mapping of keys to values.",
            where=path,
            fix="write KEY: VALUE, one on each line",
        )
    return value
