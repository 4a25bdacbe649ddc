"""The Python interface: a project's plan, run and metrics; and its models, which answer.

Its names stay. Mistakes are `ScaffoldError`s, as on the command line. Nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phi3scaffold.inference.answer import Answer
from phi3scaffold.inference.answer_record import AnswerRecord
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.batch import answer_all
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.kinds import KINDS
from phi3scaffold.inference.prompt_source import of_texts
from phi3scaffold.project import settings
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import METRICS, PROJECT_FILE

if TYPE_CHECKING:
    from phi3scaffold.evaluation.metrics import Metrics
    from phi3scaffold.pipeline.events import Emit
    from phi3scaffold.search.forecast import Forecast

__all__ = ["LoadedModel", "Project", "ScaffoldError", "load"]


class OpenProject:
    """A project on disk; open it with `Project.open`."""

    def __init__(self, project: settings.Project) -> None:
        self._project = project

    @classmethod
    def open(cls, path: str | Path = ".", *, local: bool = True) -> OpenProject:
        """Return the project in a folder.

        Args:
            local: whether it is run on this machine, whatever its target.

        Raises:
            ScaffoldError: there is none, or its project.yaml is wrong.
        """
        return cls(replace(settings.load_project(Path(path).absolute()), local=local))

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self._project.root

    def plan(self) -> Forecast:
        """Return what a run will take: seconds, memory, disk, download, stage by stage."""
        from phi3scaffold.pipeline import environment
        from phi3scaffold.search.forecast import forecast
        from phi3scaffold.stages.graph import STAGES, up_to

        environment.prepare()
        return forecast(self._project, up_to(), STAGES, measure=None)

    def run(self, emit: Emit = lambda _event: None) -> None:
        """Bring every stage up to date: train, merge, convert, evaluate.

        Args:
            emit: called with the events of progress (docs/reference/events.md).

        Raises:
            ScaffoldError: exit code 2 for a mistake, 1 for a stage that failed or a failed gate.
        """
        from phi3scaffold.pipeline import environment
        from phi3scaffold.pipeline.runner import run_pipeline
        from phi3scaffold.reporting.tracking import track_run
        from phi3scaffold.stages.graph import STAGES, run_by
        from phi3scaffold.targets.registry import check_target

        environment.prepare()
        check_target(self._project, "run")
        with track_run(self._project, emit, STAGES) as tracked_emit:
            run_pipeline(self._project, run_by("run"), STAGES, tracked_emit)

    @property
    def metrics(self) -> Metrics:
        """What the last evaluation measured of every form; ScaffoldError before the first."""
        from phi3scaffold.evaluation.metrics import read_metrics

        file = self._project.evaluation / METRICS
        if not file.is_file():
            raise ScaffoldError(
                "This project has not been evaluated.", where=file, fix="project.run()"
            )
        return read_metrics(file)

    def load(self, form: str = "onnx", *, adapter: str | None = None) -> LoadedModel:
        """Load one form of the model. Raises ScaffoldError where it was not made yet."""
        return LoadedModel(open_form(form, self._project, adapter=adapter))


Project = OpenProject


class LoadedModel:
    """A loaded model; close it, or use it in a `with`, to free its memory."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def answer(self, text: str = "", **columns: str) -> str:
        """Return the answer to a text, or to the columns of a prompt that has several.

        Raises:
            ScaffoldError: a column is missing, or the text cannot be answered.
        """
        return "".join(self.stream(text, **columns))

    def stream(self, text: str = "", **columns: str) -> Iterator[str]:
        """Yield the answer in pieces, as soon as each is certain. Raises as `answer` does."""
        if text and columns:
            raise ScaffoldError("A text and columns exclude each other.")
        content = self._form.prompt.spoken(columns) if columns else text
        yield from Answer(self._form, [{"role": "user", "content": content}], AnswerSettings())

    def classify(self, texts: Sequence[str]) -> list[AnswerRecord]:
        """Return the label of each text, where it was evaluated with its probability.

        A text that cannot be answered has an `error`, and costs no other its label.

        Raises:
            ScaffoldError: the model gives free answers.
        """
        if not self._form.prompt.labels:
            raise ScaffoldError("This model has no labels.", fix="answer(text)")
        entries = of_texts(list(texts)).entries(self._form.prompt)
        return list(answer_all(self._form, entries, AnswerSettings()))

    def close(self) -> None:
        """Free the memory."""
        self._form.close()

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def load(path_or_repo: str | Path, form: str = "onnx") -> LoadedModel:
    """Load a form of a project, of a form's own folder, or of a published repository.

    Args:
        path_or_repo: a folder; or ``owner/name`` on the hub, where `publish` put the forms.
        form: one of base, adapter, merged, onnx, onnx-adapter.

    Raises:
        ScaffoldError: there is no such form, or it cannot be loaded.
    """
    if form not in KINDS:
        raise ScaffoldError(f"Unknown form {form!r}.", fix=f"one of: {', '.join(KINDS)}")
    path = Path(path_or_repo)
    if not path.exists() and len(path.parts) == 2 and not path.is_absolute():
        path = _downloaded(str(path_or_repo), form)
    if (path / PROJECT_FILE).is_file():
        return Project.open(path).load(form)
    if not KINDS[form].is_at(path) and KINDS[form].is_at(path / form):
        path = path / form
    return LoadedModel(open_form(form, path))


def _downloaded(repo: str, form: str) -> Path:
    """Return the folder of a published form, of the hub's cache."""
    from huggingface_hub import snapshot_download

    from phi3scaffold.models.hub_errors import HubRequest, explained

    request = HubRequest(
        repo=repo,
        revision="main",
        page=repo,
        id_key="path_or_repo",
        id_fix="name a folder that exists, or owner/name on the hub",
        revision_key=repo,
        revision_fix="or name a folder",
        offline_fix="unset HF_HUB_OFFLINE, or name a folder that exists",
        missing_fix="name a folder that exists, or owner/name on the hub",
    )
    with explained(request):
        return Path(snapshot_download(repo, allow_patterns=[f"{form}/*"]))
