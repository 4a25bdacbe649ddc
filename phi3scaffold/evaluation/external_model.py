"""Measure a model folder that came from elsewhere on a project's held-out rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.measurement import Subject
from phi3scaffold.inference.forms.kinds import form_in
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.hashing import StatCache
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project


def evaluate_folder(project: Project, folder: Path, emit: Emit, scratch: Path) -> dict[str, Any]:
    """Ask a model folder the project's held-out rows; nothing in the project changes.

    Args:
        project: its rows were prepared.
        folder: an ONNX, transformers or PEFT folder; an adapter is put over the project's base.
        emit: takes progress events.
        scratch: an empty folder.

    Returns:
        As the evaluation's metrics.json, with the one form.

    Raises:
        ScaffoldError: the folder holds no model, was not written to its end, has changed since its
            manifest was written, or has another tokenizer than the rows were prepared with.
    """
    from phi3scaffold.conversion.form_files import project_prompt, size_of
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.baselines import baselines
    from phi3scaffold.evaluation.comparison import climb
    from phi3scaffold.evaluation.questions import questions
    from phi3scaffold.models.prompt import FILE
    from phi3scaffold.pipeline.logs import log_file

    form = form_in(folder)
    check_unchanged(folder)
    _check_tokenizer(project, folder)
    spec, rows = load_spec(project.dataset_yaml), project.rows
    asked = questions(rows, spec, project.evaluate_rows)
    own = (folder / FILE).is_file() or form == "onnx-adapter"
    prompt = None if own else project_prompt(project)
    subject = Subject(form, folder, base=project.base, prompt=prompt)
    rungs, _ = climb([subject], asked, emit, scratch, log_file(project))
    rungs[form]["disk_bytes"] = size_of(folder)
    return {
        "task": spec.task,
        "model": str(folder),
        "demonstration": False,
        "rows": len(asked.rows),
        "held_out": asked.held_out,
        "labels": asked.labels,
        "forms": rungs,
        "baselines": baselines(rows, asked),
        "not_measured": {},
    }


def check_unchanged(folder: Path) -> None:
    """Raise ScaffoldError (exit code 1) where a folder is not what its manifest says."""
    made = manifest.read(folder)
    if made is None:
        return  # it came from elsewhere, or is being written: opening it will tell
    changed = manifest.first_difference(folder, made, StatCache(folder / ".hashes.json"))
    if changed:
        what = "has changed" if (folder / changed).is_file() else "is missing"
        raise ScaffoldError(
            f"The folder is not as it was made: {changed} {what}.",
            where=folder / changed,
            fix="copy it again, whole; without its manifest.json it is taken as it is",
            exit_code=FAILED_RUN,
        )


def _check_tokenizer(project: Project, folder: Path) -> None:
    """The rows' ids mean something else to a model with another vocabulary."""
    theirs = folder / "tokenizer.json"
    if not theirs.is_file() or _words(theirs) == _words(project.tokenizer / "tokenizer.json"):
        return
    raise ScaffoldError(
        "This model has another tokenizer than the project's base model.",
        where=theirs,
        fix="evaluate it in a project of its own base model: phi3scaffold new",
    )


def _words(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        added = sorted((token["id"], token["content"]) for token in content["added_tokens"])
        return content["model"]["vocab"], added
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScaffoldError(f"The tokenizer cannot be read: {error}.", where=path) from None
