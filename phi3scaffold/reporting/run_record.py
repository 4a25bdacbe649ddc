"""The record of a run: what the page and the card show, read from what the stages published."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.datasets.conversations import turn_text
from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared, spread
from phi3scaffold.datasets.set_findings import complete
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.evaluation.evaluated_rows import EvaluatedRow, read_rows
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import Release
from phi3scaffold.evaluation.search_record import SearchRecord, read_search
from phi3scaffold.models import catalogue
from phi3scaffold.models.base_model import Base, base_family
from phi3scaffold.models.column_templates import columns_of
from phi3scaffold.models.licences import UNKNOWN, Licence
from phi3scaffold.models.model_lock import read_lock
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.manifest import Manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import ANSWERS, HISTORY, METRICS, RELEASE, ROWS_REPORT
from phi3scaffold.project.olive_config import OliveConfig, project_config
from phi3scaffold.project.settings import Project

SHIPPED = "onnx"


class RowPrompt(NamedTuple):
    """The prompt of a row: the user's last turn, and how many turns precede it."""

    text: str
    earlier: int = 0


@dataclass(frozen=True)
class RunRecord:
    """What a run published, and from what.

    Attributes:
        name: of the project.
        local: whether it ran on this machine's CPU, whatever the target.
        in_cloud: whether a job ran it, whose processes are said in fine-tuning/job.yml.
        model: the base model's name (see `Base`); `commit`: of it on the hub, or None.
        family: of the base model, as transformers calls it.
        hub_id: the base model on the hub, or None; `licence`: of its weights.
        config: the Olive configuration.
        columns: how many texts make a prompt.
        split_seed: dataset.yaml's; None where the held-out rows are files of their own.
        unmeasured: the adapters over the ONNX base that the evaluation left out.
        sources: data sets of the hub that rows came from.
        metrics, release, data: as the evaluation, the gate and the data stage wrote them.
        history: the Trainer's log.
        answers: the rows of answers.jsonl.
        prompts: place of a row -> its prompt; for `answers`.
        measured: the day on which the forms were measured, such as ``2026-11-21``.
        stages: name -> the manifest of what it published, in the order in which they ran.
        timed: the stages whose files hold times, or hashes over them.
        search: of the quantization, where there was one for this adapter.
    """

    name: str
    local: bool
    in_cloud: bool
    model: str
    commit: str | None
    family: str
    hub_id: str | None
    licence: Licence
    config: OliveConfig
    columns: int
    split_seed: int | None
    unmeasured: tuple[str, ...]
    sources: tuple[str, ...]
    metrics: Metrics
    release: Release
    data: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    answers: Sequence[EvaluatedRow]
    prompts: Mapping[str, RowPrompt]
    measured: str
    stages: Mapping[str, Manifest] = field(default_factory=dict)
    timed: Container[str] = ()
    search: SearchRecord | None = None

    @property
    def demonstration(self) -> bool:
        """Whether the model is for testing the pipeline only."""
        return self.metrics.demonstration

    @property
    def forms(self) -> list[str]:
        """The measured forms, from the base to what ships."""
        return self.metrics.compared

    @property
    def best(self) -> str:
        """The form that the page is about: what ships, else the last one measured."""
        return SHIPPED if SHIPPED in self.forms else self.forms[-1]

    @property
    def trained(self) -> Mapping[str, Any]:
        """What the training told of itself: steps, the best of them, seconds, tokens."""
        stage = self.stages.get("finetune")
        return stage.facts if stage else {}

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        processes = self.trained.get("processes") or 1
        option = f" --nproc {processes}" if processes > 1 and not self.in_cloud else ""
        return "phi3scaffold run" + (" --local" if self.local else "") + option

    @property
    def seeds(self) -> str:
        """What each seed decided, in words."""
        arguments = self.config.training_arguments
        split = "the held-out rows are files of their own"
        if self.split_seed is not None:
            split = f"{self.split_seed} for which rows are held out"
        return f"{arguments.get('seed', 'the default')} for the training; {split}"


def read_run(
    project: Project, folders: Mapping[str, Path], timed: Container[str] = ()
) -> RunRecord:
    """Read what the stages published in `folders` (name -> folder, in order).

    Raises:
        ScaffoldError: a folder holds something else than its stage writes.
    """
    spec = load_spec(project.dataset_yaml)
    lock = read_lock(project.lock)
    entry = catalogue.find(project.model_id)
    fetched = lock.id if lock and lock.source == "hub" else None
    file = project.evaluation / METRICS
    metrics = Metrics.from_json(_json(file))
    answers = list(read_rows(project.evaluation / ANSWERS))
    hub = [one for one in spec.sources if isinstance(one, str)]
    # OWNER/NAME of hf://datasets/OWNER/NAME@COMMIT/PATH
    sources = [one.removeprefix("hf://datasets/").partition("@")[0] for one in hub]
    stages = {name: manifest.read(folder) for name, folder in folders.items()}
    return RunRecord(
        name=project.root.name,
        local=project.leaves_target,
        in_cloud=project.job.is_file() and not project.leaves_target,
        model=Base.of(project).name,
        commit=lock.commit if lock else None,
        family=base_family(project).name,
        hub_id=entry.hub_id if entry else fetched,
        licence=entry.licence if entry else UNKNOWN,
        config=project_config(project),
        columns=1 if spec.messages else len(columns_of(spec.user)),
        unmeasured=tuple(name for name, path in project.adapters if path != project.adapter),
        split_seed=None if isinstance(spec.held_out, tuple) else spec.seed,
        sources=tuple(dict.fromkeys(sources)),
        metrics=metrics,
        release=Release.from_json(_json(project.release / RELEASE)),
        data=complete(_json(project.rows / ROWS_REPORT)),
        history=_json(project.adapter / HISTORY),
        answers=answers,
        prompts=dict(_prompts(project.rows, len(answers))),
        measured=metrics.measured or date.fromtimestamp(file.stat().st_mtime).isoformat(),
        stages={name: published for name, published in stages.items() if published},
        timed=timed,
        search=_search(project),
    )


def _search(project: Project) -> SearchRecord | None:
    """Return the finished search for the adapter that is there now."""
    search, adapter = read_search(project.search), manifest.read(project.adapter)
    own = search and search.finished and adapter and search.adapter == adapter.content
    return search if own else None


def _prompts(folder: Path, rows: int) -> Iterator[tuple[str, RowPrompt]]:
    """Yield (place, prompt) of the rows that the evaluation chose."""
    held_out = Prepared(folder, HELD_OUT)
    for index in spread(len(held_out), rows):
        row = held_out.conversation(index)
        turns = [turn for turn in row.messages[:-1] if turn["role"] != "system"]
        text = turn_text(turns[-1]) if turns and turns[-1]["role"] in ("user", "tool") else ""
        yield row.place, RowPrompt(text, max(0, len(turns) - 1))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScaffoldError(
            f"It cannot be read: {error}.", where=path, fix="phi3scaffold evaluate"
        ) from None
