"""The process that tracks one run: lines of JSON come in, MLflow's client does the rest."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.project import Project
from phi3scaffold.runtime.olive.config import project_config
from phi3scaffold.runtime.tracking import URI, address, store

STEP = ("loss", "tokens_per_second")
RUNG = (
    *("accuracy", "macro_f1", "likelihood_accuracy", "exact_match", "rouge_l", "perplexity"),
    *("unfinished", "agreement", "tokens_per_second", "peak_bytes", "disk_bytes"),
)
SECRET = re.compile(r"token$|secret|password|credential|api_?key", re.I)
MOST = 200  # metrics of one request; Azure ML takes no more
LONGEST = 250  # letters of a parameter; Azure ML takes 500
EVERY = 2.0  # seconds between two requests while a run goes on
# A store that does not answer is given up before the run has waited long for it.
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}


def metrics(event: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an event, by the name they get; only numbers that are finite."""
    found: dict[str, Any] = {}
    if event["kind"] == "step" and event.get("loss") is not None:
        found = {name: event.get(name) for name in STEP}
    elif event["kind"] == "stage" and event["state"] == "done":
        stage, facts = event["stage"], event.get("facts") or {}
        told = {**facts, "seconds": event.get("seconds"), "peak_bytes": event.get("peak_bytes")}
        found = {f"{stage}.{name}": value for name, value in told.items()}
        for form, rung in (facts.get("forms") or {}).items():
            if isinstance(rung, dict):
                found |= {f"{form}.{name}": rung.get(name) for name in RUNG}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def parameters(project: Project) -> dict[str, str]:
    """What decides the run, in words; nothing that looks like a secret, nothing of Azure."""
    config = project_config(project)
    found = {
        "model": project.model_id,
        "revision": project.revision,
        "target": project.target,
        "merge_base": project.merge_base,
        "evaluate.rows": str(project.evaluate_rows),
        "phi3scaffold": __version__,
        **dict(config.knobs()),
    }
    return {name: value[:LONGEST] for name, value in found.items() if not SECRET.search(name)}


def artifacts(project: Project) -> Iterator[Path]:
    """Files of the run that are worth keeping beside its numbers; models are not."""
    names = (
        *("report/index.html", "report/MODEL_CARD.md", "evaluation/metrics.json"),
        *("release/release.json", "data/DATA_CARD.md"),
    )
    for path in (*(project.gen / name for name in names), project.olive_config):
        if path.is_file():
            yield path


class Tracker:
    """One run in MLflow; it is begun by the first thing that is told of it."""

    def __init__(self, project: Project) -> None:
        from mlflow import MlflowClient

        if not os.environ.get(URI):
            store(project).parent.mkdir(parents=True, exist_ok=True)
        self.project = project
        self.client = MlflowClient(address(project))
        given = os.environ.get("MLFLOW_RUN_ID")  # Azure ML's: the job itself, which it ends
        self.own = given is None
        self.run = given or self._create()
        self._kept: list[Any] = []
        self._sent = time.monotonic()
        from mlflow.entities import Param

        params = [Param(name, value) for name, value in parameters(project).items()]
        for start in range(0, len(params), 100):
            self.client.log_batch(self.run, params=params[start : start + 100])

    def take(self, event: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric

        now, step = time.time_ns() // 1_000_000, int(event.get("step") or 0)
        self._kept += [Metric(name, value, now, step) for name, value in metrics(event).items()]
        if event["kind"] == "stage" and event["state"] == "done":
            self._facts(event["stage"], event.get("facts") or {}, now)
        if time.monotonic() - self._sent > EVERY or len(self._kept) > MOST:
            self._send()

    def end(self, status: str) -> None:
        self._send()
        for path in artifacts(self.project):
            self.client.log_artifact(self.run, str(path))
        if self.own:
            self.client.set_terminated(self.run, status)

    def _facts(self, stage: str, facts: Mapping[str, Any], now: int) -> None:
        """What only some stages have: losses on held-out rows, and the verdict."""
        from mlflow.entities import Metric

        if stage == "gate":
            self.client.set_tag(self.run, "released", str(facts.get("released")).lower())
        if stage == "finetune":
            with contextlib.suppress(OSError, ValueError):
                history = json.loads((self.project.adapter / "history.json").read_text("utf-8"))
                self._kept += [
                    Metric("held_out_loss", float(entry["eval_loss"]), now, int(entry["step"]))
                    for entry in history
                    if math.isfinite(entry.get("eval_loss", math.nan))
                ]

    def _send(self) -> None:
        for start in range(0, len(self._kept), MOST):
            self.client.log_batch(self.run, metrics=self._kept[start : start + MOST])
        self._kept, self._sent = [], time.monotonic()

    def _create(self) -> str:
        name = self.project.root.name
        if os.environ.get(URI):
            wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME", name)
            found = self.client.get_experiment_by_name(wanted)
            experiment = found.experiment_id if found else self.client.create_experiment(wanted)
        else:
            experiment = self._local_experiment(name)
        tags = {"model": self.project.model_id, "phi3scaffold": __version__}
        if self.project.is_demonstration:
            tags["demonstration"] = "true"
        run = self.client.create_run(
            experiment, tags=tags, run_name=time.strftime("%Y-%m-%d %H:%M")
        )
        return str(run.info.run_id)

    def _local_experiment(self, name: str) -> str:
        """The experiment whose files lie here: a project that was moved begins another one."""
        place = (store(self.project).parent / "artifacts").as_uri()
        taken = {one.name: one for one in self.client.search_experiments()}
        for one in taken.values():
            if one.artifact_location == place:
                return str(one.experiment_id)
        free = next(f"{name} {n}".removesuffix(" 1") for n in range(1, len(taken) + 2)
                    if f"{name} {n}".removesuffix(" 1") not in taken)  # fmt: skip
        return str(self.client.create_experiment(free, artifact_location=place))


def main(project: Project) -> None:
    """Track what standard input tells, to its end."""
    if hasattr(os, "nice"):
        os.nice(5)
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
    tracker = Tracker(project)
    ended = "KILLED"  # the run went away without a word
    for line in sys.stdin:
        event = json.loads(line)
        if event["kind"] == "end":
            ended = event["status"]
        else:
            tracker.take(event)
    tracker.end(ended)


if __name__ == "__main__":
    main(Project.from_json(json.loads(sys.argv[1])))
