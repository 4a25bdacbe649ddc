"""A project's settings: project.yaml, checked and with defaults."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.project import search_goals
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import mapping, read_yaml
from phi3scaffold.project.layout import PROJECT_FILE, Layout
from phi3scaffold.project.search_goals import SearchSettings

TINY = "tiny"
DEMONSTRATION = "demonstration model: for testing the pipeline only"
DEFAULT_TARGET = "cpu"
MERGE_BASES = ("original", "nf4")
# What project.yaml may hold, and below it; None: whatever its own reader takes.
KEYS: dict[str, tuple[str, ...] | None] = {
    "model": ("id", "revision"),
    "target": None,
    "evaluate": ("rows", "minutes", "accuracy"),
    "gate": None,
    "optimize": search_goals.KEYS,
    "checkpoint_minutes": None,
    "early_stopping_patience": None,
    "merge_base": None,
    "adapters": None,
    "tracking": None,
    "lint": ("ignore",),
}
AUTO = "auto"  # evaluate.rows: all up to a thousand, as far as time allows
MINUTES = 10  # evaluate.minutes, where the number of rows is left to us
REQUIRED = "required"
ACCURACY = ("optional", REQUIRED)  # evaluate.accuracy: whether it has to be known for a release
PATHS = ("root", "base_override", "checkpoints")  # fields that are paths
ADAPTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # also a folder's name


@dataclass(frozen=True)
class Project(Layout):
    """One project: its layout and settings; every path is absolute.

    Attributes:
        model_id: a catalogue name, a hub id, or a local folder.
        revision: branch, tag or commit on the hub.
        target: where the pipeline runs, a name of `targets.registry`.
        evaluate_rows: how many held-out rows each form answers in the evaluation; None for all of
            them up to a thousand, as far as time allows.
        evaluate_minutes: how long the adapter may take for the rows of one look; None for all rows
            at once, however long that takes.
        accuracy_required: whether a model is not released where its rows cannot tell if accuracy
            was lost.
        merge_base: what a QLoRA adapter is merged into, one of `MERGE_BASES`.
        local: run on this machine's CPU, whatever the target.
        base_override: the base model's folder where this run got one, as a job in the cloud does;
            `model_id` then only names it.
        checkpoint_minutes: how often training saves its state; None for never.
        early_stopping_patience: how many evaluations in a row may bring no lower validation loss
            before training stops; None: it makes all its steps.
        checkpoints: where that goes, if not into the project: what outlives the machine.
        adapters: (name, folder) of the PEFT adapters to swap over one ONNX base, in file order.
        gate: the limits that project.yaml sets, as (name, value); `phi3scaffold.evaluation.limits`
            reads them.
        tracking: whether runs are tracked with MLflow.
        optimize: how `run` searches the quantization; None: it takes the config's.
    """

    model_id: str
    revision: str
    target: str
    evaluate_rows: int | None
    merge_base: str = "original"
    local: bool = False
    base_override: Path | None = None
    checkpoint_minutes: float | None = 10
    early_stopping_patience: int | None = 3
    checkpoints: Path | None = None
    adapters: tuple[tuple[str, Path], ...] = ()
    gate: tuple[tuple[str, Any], ...] = ()
    tracking: bool = True
    accuracy_required: bool = False
    optimize: SearchSettings | None = None
    evaluate_minutes: float | None = None

    @property
    def evaluate_seconds(self) -> float | None:
        """How long the adapter may take for the rows of one look; None: as long as all need."""
        return None if self.evaluate_minutes is None else 60 * self.evaluate_minutes

    def to_json(self) -> dict[str, Any]:
        """Return the project as JSON, for another process."""
        adapters = [[name, str(folder)] for name, folder in self.adapters]
        paths = {name: getattr(self, name) for name in PATHS}
        texts = {name: path and str(path) for name, path in paths.items()}
        return {**asdict(self), **texts, "adapters": adapters}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Project:
        adapters = tuple((name, Path(folder)) for name, folder in values["adapters"])
        gate = tuple((key, limit) for key, limit in values["gate"])
        paths = {name: values[name] and Path(values[name]) for name in PATHS}
        search = values["optimize"] and SearchSettings(**values["optimize"])
        read = {"adapters": adapters, "gate": gate, "optimize": search}
        return cls(**{**values, **paths, **read})

    @property
    def leaves_target(self) -> bool:
        """Whether it is run on this machine's CPU though its target is another."""
        return self.local and self.target != DEFAULT_TARGET

    @property
    def is_demonstration(self) -> bool:
        """Whether the model is the embedded one, for testing the pipeline only."""
        return self.model_id == TINY


def find_project(start: Path | None = None) -> Project:
    """Return the project that `start` (default: the current folder) lies in.

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
    return next((one for one in (here, *here.parents) if (one / PROJECT_FILE).is_file()), None)


def load_project(root: Path) -> Project:
    """Read `root`/project.yaml. Raises ScaffoldError naming the file, line and key."""
    return project_of(read_yaml(root / PROJECT_FILE), root)


def project_of(settings: dict[str, Any], root: Path) -> Project:
    """Return the project of these settings. Raises as `load_project` does."""
    path = root / PROJECT_FILE
    model = mapping(settings.get("model"), "model", path)
    evaluate = mapping(settings.get("evaluate", {}), "evaluate", path)
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
    rows = evaluate.get("rows", AUTO)
    if rows != AUTO and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 1):
        raise ScaffoldError(
            f"evaluate.rows must be {AUTO} or a whole number of at least 1, not {rows!r}.",
            where=f"{path}: evaluate.rows",
        )
    accuracy = evaluate.get("accuracy", ACCURACY[0])
    if accuracy not in ACCURACY:
        raise ScaffoldError(
            f"evaluate.accuracy must be {' or '.join(ACCURACY)}, not {accuracy!r}.",
            where=f"{path}: evaluate.accuracy",
        )
    look = evaluate.get("minutes", MINUTES if rows == AUTO else None)
    if look is not None and (
        not isinstance(look, (int, float)) or isinstance(look, bool) or look <= 0
    ):
        raise ScaffoldError(
            f"evaluate.minutes must be a number above 0, not {look!r}.",
            where=f"{path}: evaluate.minutes",
            fix="such as 10; null for all rows at once",
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
    patience = settings.get("early_stopping_patience", Project.early_stopping_patience)
    if patience is not None and (type(patience) is not int or patience < 1):
        raise ScaffoldError(
            f"early_stopping_patience must be a whole number of at least 1, not {patience!r}.",
            where=f"{path}: early_stopping_patience",
            fix="such as 3; null for all steps",
        )
    gate = mapping(settings.get("gate") or {}, "gate", path)
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
        evaluate_rows=None if rows == AUTO else rows,
        evaluate_minutes=look,
        adapters=_adapters(settings.get("adapters"), path),
        gate=tuple((str(key), limit) for key, limit in gate.items()),
        merge_base=merge_base,
        checkpoint_minutes=minutes,
        early_stopping_patience=patience,
        tracking=tracking,
        accuracy_required=accuracy == REQUIRED,
        optimize=SearchSettings.read(settings.get("optimize"), path),
    )


def _adapters(value: Any, path: Path) -> tuple[tuple[str, Path], ...]:
    """Read `adapters` of project.yaml: name -> folder, relative to the project."""
    found = []
    content = {} if value is None else value  # every line of it may be commented out
    for name, folder in mapping(content, "adapters", path).items():
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
