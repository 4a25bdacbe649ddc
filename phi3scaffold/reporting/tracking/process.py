"""The process that tracks one run: lines of JSON come in, MLflow's client does the rest."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import re
import sys
import time
import traceback
from collections.abc import Callable, Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.datasets.private_data import find_secrets
from phi3scaffold.pipeline.events import Event, StageEnded, Step, from_json
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting.tracking import URI, address, shown, store
from phi3scaffold.reporting.training_settings import training_settings

# A metric is called after its stage or form, then what it is: MLflow draws a section for each.
STAGES = ("data", "finetune", "merge", "export", "evaluate")  # the others have nothing to compare
STEP = ("loss", "tokens_per_second")
CURVES = {"loss": "finetune/loss", "eval_loss": "finetune/held_out_loss"}
FORM_METRICS = (
    *("accuracy", "macro_f1", "likelihood_accuracy", "exact_match", "rouge_l", "perplexity"),
    *("truncated_answers", "agreement", "tokens_per_second", "peak_bytes", "disk_bytes"),
)
MOST = 200  # metrics of one request; Azure ML takes no more
LONGEST = 250  # letters of a parameter; Azure ML takes 500
PROCESS = "mlflow.process"  # a tag; MLflow shows none that begin so
NOTE = 5000  # letters of a run's description
EVERY = 2.0  # seconds between two requests while a run goes on
AGAIN = 30.0  # seconds until a store that did not answer is asked again
# A store that does not answer does not hold a finished run up for long.
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def metrics(event: Event) -> dict[str, float]:
    """Return the numbers of an event, by the name they get; only numbers that are finite.

    Bytes become MiB, as everywhere that people read them.
    """
    found: dict[str, Any] = {}
    if isinstance(event, Step):
        if event.loss is None or event.loss_step != event.step:
            return {}  # the loss of an earlier step, which was told then
        found = {f"finetune/{name}": getattr(event, name) for name in STEP}
    elif isinstance(event, StageEnded) and event.stage in STAGES:
        values = {**event.facts, "seconds": event.seconds, "peak_bytes": event.peak_bytes or None}
        found = {f"{event.stage}/{name}": value for name, value in values.items()}
        for form, own in (event.facts.get("forms") or {}).items():
            if isinstance(own, dict):
                found |= {f"{form}/{name}": own.get(name) for name in FORM_METRICS}
    return {
        name.replace("bytes", "MiB"): float(value) / (2**20 if "bytes" in name else 1)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def parameters(project: Project) -> dict[str, str]:
    """What decides the run, in words; nothing of Azure."""
    config = project_config(project)
    found = {
        "model": project.model_id,
        "revision": project.revision,
        "target": project.target,
        "merge_base": project.merge_base,
        "evaluate.rows": str(project.evaluate_rows),
        "phi3scaffold": __version__,
        **dict(training_settings(config)),
    }
    return {name: value[:LONGEST] for name, value in found.items()}


def artifacts(project: Project, stages: Container[str]) -> Iterator[Path]:
    """Files that are worth keeping beside the numbers; models are not, nor one with a secret.

    Args:
        stages: those that are up to date: what the others left is of an earlier run.
    """
    if not find_secrets(project.olive_config.read_text(encoding="utf-8")):
        yield project.olive_config
    for stage, name in (
        ("report", "report/index.html"),
        ("report", "report/MODEL_CARD.md"),
        ("evaluate", "evaluation/metrics.json"),
        ("gate", "release/release.json"),
        ("data", "data/DATA_CARD.md"),
    ):
        if stage in stages and (project.gen / name).is_file():
            yield project.gen / name


def description(card: str) -> str:
    """What MLflow shows of a run first: the verdict and what was measured, from the model card."""
    told = re.findall(r"^\*\*\w.*\n", card, re.M)
    measured = re.search(r"^## Evaluation\n(.*?)(?=^## |\Z)", card, re.M | re.S)
    return "\n".join([*told, measured[1].strip() if measured else ""])[:NOTE].strip()


class Tracker:
    """One run in MLflow. What the store does not take is kept, and sent when it does.

    Attributes:
        problem: why the store did not take all of it, in one line; empty if it did.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.problem = ""
        self._client: Any = None
        self._run = os.environ.get("MLFLOW_RUN_ID", "")  # Azure ML's: the job itself
        self._own = not self._run  # else another ends it
        self._begun = False
        self._start: int | None = None  # ms since 1970
        self._stages: set[str] = set()
        self._metrics: list[tuple[str, float, int, int]] = []  # name, value, time in ms, step
        self._told: set[tuple[str, int]] = set()  # name, step
        self._tags: dict[str, str] = {}
        self._next = 0.0

    def take(self, event: Event, at: float) -> None:
        """Track an event of the time `at` (seconds since 1970)."""
        now, step = int(1000 * at), event.step if isinstance(event, Step) else 0
        self._start = self._start or now
        found = metrics(event)
        self._metrics += [(name, value, now, step) for name, value in found.items()]
        self._told |= {(name, step) for name in found}
        if isinstance(event, StageEnded):
            self._stages.add(event.stage)
            self._look(event, now)
        if time.monotonic() >= self._next:
            self.problem = ""
            taken = self._try(self._send)
            self._next = time.monotonic() + (EVERY if taken else AGAIN)

    def end(self, status: str) -> None:
        """Send what is left, the files, and how the run ended; a person waits for it."""
        if self.problem and time.monotonic() < self._next:
            return  # it was asked a moment ago
        self.problem = ""
        if not self._try(self._send):
            return
        for path in artifacts(self.project, self._stages):
            if not self._try(partial(self._client.log_artifact, self._run, str(path))):
                break
        if self._own:
            self._try(partial(self._client.set_terminated, self._run, status))

    def _try(self, send: Callable[[], None]) -> bool:
        """Whether it was taken. If not, `problem` says why, and the log what else is known."""
        try:
            send()
        except Exception as error:  # noqa: BLE001 (a store may raise anything; the run goes on)
            lines = shown("".join(traceback.format_exception(error)))
            print(lines, file=sys.stderr, flush=True)
            first = re.split(r"\n| with url: ", shown(str(error)).strip())[0]
            self.problem = self.problem or f"{type(error).__name__}: {first}"[:LONGEST]
            return False
        return True

    def _look(self, event: StageEnded, now: int) -> None:
        """What only some stages leave: the verdict, the losses that no step told, the card.

        Those are of held-out rows, and of the steps that an earlier run made before it was ended.
        """
        stage = event.stage
        if stage == "gate":
            self._tags["released"] = str(event.facts.get("released")).lower()
        with contextlib.suppress(OSError, ValueError):
            if stage == "finetune":
                history = json.loads((self.project.adapter / "history.json").read_text("utf-8"))
                # a job that was begun again told its earlier steps to the same run
                curves = CURVES if self._own else {"eval_loss": CURVES["eval_loss"]}
                self._metrics += [
                    (name, float(entry[key]), now, int(entry["step"]))
                    for key, name in curves.items()
                    for entry in history
                    if math.isfinite(entry.get(key, math.nan))
                    and (name, int(entry["step"])) not in self._told
                ]
            if stage == "report":
                card = (self.project.report / "MODEL_CARD.md").read_text("utf-8")
                self._tags["mlflow.note.content"] = description(card)

    def _send(self) -> None:
        from mlflow.entities import Metric, RunTag

        if not self._begun:
            self._begin()
            self._begun = True
        tags = [RunTag(name, value) for name, value in self._tags.items()]
        if tags:
            self._client.log_batch(self._run, tags=tags)
            self._tags = {}
        while self._metrics:
            batch = [Metric(*one) for one in self._metrics[:MOST]]
            self._client.log_batch(self._run, metrics=batch)
            del self._metrics[:MOST]

    def _begin(self) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        if not os.environ.get(URI):
            make_store(store(self.project))
        self._client = MlflowClient(address(self.project))
        self._run = self._run or self._create()
        params = [Param(name, value) for name, value in parameters(self.project).items()]
        for start in range(0, len(params), 100):
            self._client.log_batch(self._run, params=params[start : start + 100])
        if self._own:
            self._tell_rows()

    def _tell_rows(self) -> None:
        """Whether two runs saw the same rows: a digest of what they were made from, no row."""
        from mlflow.entities import Dataset, DatasetInput
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(OSError, ValueError, KeyError, MlflowException):
            made = json.loads((self.project.rows / "manifest.json").read_text("utf-8"))
            counts = {name: made["facts"][name] for name in ("train", "held_out")}
            rows = Dataset(
                name="datasets",
                digest=made["fingerprint"][:8],
                source_type="local",
                source=json.dumps({"uri": "datasets"}),
                profile=json.dumps(counts),
            )
            self._client.log_inputs(self._run, datasets=[DatasetInput(rows)])

    def _create(self) -> str:
        name = self.project.root.name
        if os.environ.get(URI):
            wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME", name)
            found = self._client.get_experiment_by_name(wanted)
            experiment = found.experiment_id if found else self._new_experiment(wanted)
        else:
            experiment = self._local_experiment(name)
            self._bury(experiment)
        tags = {
            "model": self.project.model_id,
            "phi3scaffold": __version__,
            "mlflow.source.name": "phi3scaffold",
            "mlflow.source.type": "LOCAL",
            PROCESS: _process(),
        }
        if self.project.is_demonstration:
            tags["demonstration"] = "true"
        config = project_config(self.project)
        told = f"{config.algo} {config.precision} {time.strftime('%m-%d %H:%M')}"
        run = self._client.create_run(experiment, self._start, tags=tags, run_name=told)
        return str(run.info.run_id)

    def _local_experiment(self, name: str) -> str:
        """The experiment whose files lie here: a project that was moved begins another one."""
        place = (store(self.project).parent / "artifacts").as_uri()
        taken = {one.name: one for one in self._client.search_experiments()}
        for one in taken.values():
            if one.artifact_location == place:
                return str(one.experiment_id)
        free = next(f"{name} {n}".removesuffix(" 1") for n in range(1, len(taken) + 2)
                    if f"{name} {n}".removesuffix(" 1") not in taken)  # fmt: skip
        return self._new_experiment(free, artifact_location=place)

    def _new_experiment(self, name: str, **where: str) -> str:
        """An experiment whose pages are those of training, not of prompts and traces."""
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(name, tags=tags, **where))

    def _bury(self, experiment: str) -> None:
        """Mark as killed what says that it runs, and whose process is gone with the machine."""
        for run in self._client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            host, pid, begun = (run.data.tags.get(PROCESS) or " 0 0").rsplit(" ", 2)
            lives = abs(_begun(int(pid)) - int(begun)) < 60  # the clock may have been set since
            if host == platform.node() and not lives:
                self._client.set_terminated(run.info.run_id, "KILLED")


def make_store(path: Path) -> None:
    """Make an empty store if there is none, whole or not at all: MLflow takes many steps to it, and
    neither begins where another stopped nor beside another."""
    from filelock import FileLock
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            return
        # Windows renames no file that is open.
        os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        MlflowClient(f"sqlite:///{partial.as_posix()}").search_experiments()
        partial.replace(path)


def _process() -> str:
    """This process, told apart from all others: host, number, when it was begun."""
    return f"{platform.node()} {os.getpid()} {_begun(os.getpid())}"


def _begun(pid: int) -> int:
    """When the process was begun, in seconds since 1970; 0 where there is none."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).create_time())
    return 0


def main(project: Project) -> int:
    """Track what standard input tells, to its end; say on standard output what went wrong."""
    if hasattr(os, "nice"):
        os.nice(5)
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
    # At the end of a run the client prints a server's whole address, and that goes into the log.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    tracker = Tracker(project)
    ended = "KILLED"  # the run went away without a word
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            message = json.loads(line)
            if message["kind"] == "end":
                ended = message["status"]
            elif (event := from_json(message)) is not None:
                tracker.take(event, message["at"])
        tracker.end(ended)
    print(tracker.problem)
    return 1 if tracker.problem else 0


if __name__ == "__main__":
    sys.exit(main(Project.from_json(json.loads(sys.argv[1]))))
