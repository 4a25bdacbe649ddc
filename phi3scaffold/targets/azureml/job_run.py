"""What runs in the cloud: the same pipeline, its events as lines of JSON, its forms handed over.

The pipeline works on the machine's own disk. A mounted output cannot rename, so a finished folder
is copied there file by file, its manifest last: where the manifest is, all of it is.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.pipeline import atomic_publish, manifest, ranks
from phi3scaffold.pipeline.events import Event, Failure, StageEnded, to_json
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

LOG = "logs"


def run_job(project: Project, rows: Path | None, model: Path | None, results: Path) -> None:
    """Run the whole pipeline; what it makes appears below `results`, form by form.

    What an earlier try has brought there already, before its machine was removed, is reused.
    Of several ranks the first does all that; the others only help it to train. Raises ScaffoldError
    as the pipeline does; the log is handed over first.
    """
    from phi3scaffold.pipeline.logs import log_file
    from phi3scaffold.pipeline.runner import run_pipeline
    from phi3scaffold.reporting.tracking import track_run
    from phi3scaffold.stages.graph import STAGES, up_to
    from phi3scaffold.targets.azureml.hub_token import take_token
    from phi3scaffold.targets.local.target import check_cuda

    rank = ranks.here()

    def emit(event: Event) -> None:
        if rank.number != 0:
            return
        print_event(event)
        if isinstance(event, StageEnded) and STAGES[event.stage].from_cloud != "never":
            folder = STAGES[event.stage].folder(project)
            atomic_publish.copy_whole(folder, results / folder.name)
            published = manifest.read(folder)
            if published and project.checkpoints:  # it is where it outlives the machine, too
                shutil.rmtree(project.checkpoints / published.fingerprint[:16], ignore_errors=True)

    try:
        if rank.number == rank.leader:
            take_token()
        if not project.local:
            check_cuda(project, "--local in the command of fine-tuning/job.yml")
        if rows is not None and rank.number == rank.leader:
            place_rows(project, rows)
        if model is not None and rank.number == rank.leader:
            folder = find_model_folder(model, project.root / "model-input")
            project = replace(project, base_override=folder)
        if rank.number == 0:
            for stage in STAGES.values():
                folder = stage.folder(project)
                with contextlib.suppress(OSError):  # one that is not whole is made again
                    atomic_publish.copy_whole(results / folder.name, folder)
        # Azure ML sets the address of its MLflow server
        with track_run(project, emit, STAGES, here=False) as tracked_emit:
            run_pipeline(project, up_to(), STAGES, tracked_emit)
    except ScaffoldError as error:
        if rank.number == 0:
            print_event(Failure(error))
        raise
    finally:
        log = log_file(project)
        if log.exists():
            (results / LOG).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, results / LOG / log.name)


def print_event(event: Event) -> None:
    """Print an event as one line, which `job_log.follow` reads."""
    sys.stdout.write(json.dumps(to_json(event)) + "\n")
    sys.stdout.flush()


def place_rows(project: Project, rows: Path) -> None:
    """Put the job's rows where dataset.yaml looks for them.

    Raises:
        ScaffoldError: a file that dataset.yaml names is not among them.
    """
    spec = load_spec(project.dataset_yaml)
    named = [one for one in spec.sources if isinstance(one, Path)]
    if rows.is_file():
        if len(named) != 1:
            raise ScaffoldError(
                "The job was given one file of rows, and dataset.yaml names "
                f"{len(named) or 'none'}.",
                where=f"{project.dataset_yaml}: files",
                fix="one file under files.train and shares for the other sets; or give a folder",
            )
        _link(rows, named[0])
        return
    for target in named:
        source = rows / target.relative_to(project.datasets)
        if not source.exists():
            raise ScaffoldError(
                f"The job's rows have no {source.relative_to(rows)}.",
                where=f"{project.dataset_yaml}: files",
                fix="let inputs.rows of fine-tuning/job.yml be the folder that holds it",
            )
        _link(source, target)


def find_model_folder(folder: Path, place: Path) -> Path:
    """Return the folder with config, weights and tokenizer in one.

    MLflow models keep them apart: ``data/model`` and ``data/tokenizer`` (hftransformersv2), or
    ``model`` and ``components/tokenizer`` (transformers). Then links to both are put into `place`.

    Raises:
        ScaffoldError: there are no weights to a depth of three folders.
    """
    found: dict[str, Path] = {}
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            places = sorted(path.parent for path in folder.glob(f"{depth}{name}"))
            if name == "config.json":
                places = [path for path in places if any(path.glob("*.safetensors"))]
            if places:
                found[name] = places[0]
                break
    if "config.json" not in found:
        raise ScaffoldError(
            "The job's model holds no folder with config.json and *.safetensors.",
            where=folder,
            fix="let inputs.model of fine-tuning/job.yml be such a folder, or an MLflow model",
        )
    if set(found.values()) == {folder}:
        return folder
    for source in reversed(dict.fromkeys(found.values())):  # the weights' own config wins
        for path in source.iterdir():
            if path.is_file():
                (place / path.name).unlink(missing_ok=True)
                _link(path, place / path.name)
    return place


def _link(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    copy: Callable[..., Any] = shutil.copytree if source.is_dir() else shutil.copyfile
    try:
        target.symlink_to(source.resolve())
    except OSError:
        copy(source, target)
