"""Measure a model folder from elsewhere on a project's held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.measurement import Candidate
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.inference.forms.kinds import form_in
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.hashing import StatCache
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.files import read_json
from phi3scaffold.project.settings import Project


def evaluate_folder(project: Project, folder: Path, emit: Emit, scratch: Path) -> Metrics:
    """Measure a model folder on the project's held-out rows; nothing in the project changes.

    Args:
        project: its rows were prepared.
        folder: an ONNX, transformers or PEFT folder; an adapter is put over the project's base.
        emit: takes progress events.
        scratch: an empty folder.

    Returns:
        The same as the evaluation stage writes, with the one form.

    Raises:
        ScaffoldError: the folder holds no model, was not written to its end, has changed since its
            manifest was written, or has another tokenizer than the rows were prepared with.
    """
    from phi3scaffold.conversion.form_files import project_prompt, size_of
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.baselines import compute_baselines
    from phi3scaffold.evaluation.comparison import compare_forms
    from phi3scaffold.evaluation.evaluation_set import MOST_ROWS, sample_held_out
    from phi3scaffold.models.prompt import FILE
    from phi3scaffold.pipeline.logs import log_file

    form = form_in(folder)
    check_unchanged(folder)
    _check_tokenizer(project, folder)
    spec, rows = load_spec(project.dataset_yaml), project.rows
    dataset = sample_held_out(rows, spec, project.evaluate_rows or MOST_ROWS)
    own = (folder / FILE).is_file() or form == "onnx-adapter"
    prompt = None if own else project_prompt(project)
    candidate = Candidate(form, folder, base=project.base, prompt=prompt)
    comparison = compare_forms(
        [candidate], dataset, emit, scratch, log_file(project), seconds=project.evaluate_seconds
    )
    dataset, forms = comparison.dataset, comparison.forms
    forms[form].disk_bytes = size_of(folder)
    baselines = compute_baselines(rows, dataset)
    comparison.estimate(baselines)
    return Metrics(
        task=spec.task,
        model=str(folder),
        rows=len(dataset.rows),
        held_out=dataset.held_out,
        labels=list(dataset.labels),
        forms=forms,
        baselines={name: one.metrics for name, one in baselines.items()},
        questions=len(set(comparison.groups)),
    )


def check_unchanged(folder: Path) -> None:
    """Refuse a folder that is not what its manifest says (exit code 1)."""
    published = manifest.read(folder)
    if published is None:
        return  # it came from elsewhere, or is being written: opening it will tell
    changed = manifest.first_difference(folder, published, StatCache(folder / ".hashes.json"))
    if changed:
        what = "has changed" if (folder / changed).is_file() else "is missing"
        raise ScaffoldError(
            f"The folder is not as its manifest says: {changed} {what}.",
            where=folder / changed,
            fix="copy it again, whole; or delete its manifest.json to use it as it is",
            exit_code=FAILED_RUN,
        )


def _check_tokenizer(project: Project, folder: Path) -> None:
    """Refuse another vocabulary: the rows' token ids mean something else there."""
    theirs = folder / "tokenizer.json"
    ours = project.tokenizer / "tokenizer.json"
    if not theirs.is_file() or _vocabulary(theirs) == _vocabulary(ours):
        return
    raise ScaffoldError(
        "This model has another tokenizer than the project's base model.",
        where=theirs,
        fix="evaluate it in a project of its own base model: phi3scaffold new",
    )


def _vocabulary(path: Path) -> Any:
    content = read_json(path)
    try:
        added = sorted((token["id"], token["content"]) for token in content["added_tokens"])
        return content["model"]["vocab"], added
    except (KeyError, TypeError) as error:
        raise ScaffoldError(f"The tokenizer cannot be read: {error}.", where=path) from None
