"""Whether a model may be published: released, unchanged since it was evaluated, and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from phi3scaffold.evaluation.estimate import UNKNOWN
from phi3scaffold.evaluation.gate import gate_error
from phi3scaffold.evaluation.metrics import read_metrics
from phi3scaffold.evaluation.release import Release
from phi3scaffold.inference.forms.kinds import KINDS, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import digest, hash_file
from phi3scaffold.pipeline.manifest import Manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json
from phi3scaffold.project.layout import METRICS, MODEL_CARD, PROJECT_FILE, RELEASE
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import gate
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.targets.registry import target_of

RERUN = "phi3scaffold run"
USER_FILES = ("datasets/", "fine-tuning/")


def check_allowed(project: Project, forms: Sequence[str], *, with_data: bool = False) -> None:
    """Refuse what has not passed the release thresholds, or has changed since.

    The manifests are compared with each other here, and with the project's own files; files with
    their manifest where they are read. No cache of hashes is used.

    Raises:
        ScaffoldError: a form was not made or not evaluated; the release thresholds were not
            checked, or failed, or have changed; the rows, the forms, the evaluation, the gate and
            the report do not belong together.
    """
    for form in forms:
        KINDS[form].check(folder_of(form, project))
    measured = _manifest(project.evaluation, "The forms were not evaluated.", METRICS)
    gate_record = _manifest(project.release, "The release thresholds were not checked.", RELEASE)
    report = _manifest(project.report, "There is no model card.", MODEL_CARD)
    _check_gate(project, gate_record)
    folders = [folder_of(form, project) for form in forms]
    results = [measured, gate_record, report]
    results += [_manifest(folder, f"{folder.name} has no manifest.") for folder in folders]
    rows = manifest.read(project.rows)
    remote = target_of(project).remote  # a job may have had other rows
    if rows is not None and (with_data or not remote):
        results.append(rows)
    records = {record.stage: record for record in results}
    for record in results:
        _check_inputs(project, record, records)
    _check_measured(project, forms)


def _check_inputs(project: Project, reader: Manifest, records: Mapping[str, Manifest]) -> None:
    """Refuse where an input has changed since the stage of `reader` read it."""
    for name, sha in reader.inputs.items():
        before, path = name.removeprefix("stage:"), project.root / name
        if name.startswith("stage:") and before in records and records[before].content != sha:
            raise ScaffoldError(
                f"The result of {before} has changed since {reader.stage} read it.",
                where=STAGES[before].folder(project),
                fix=f"{RERUN}; it repeats only what has changed",
            )
        if name.startswith(USER_FILES) and path.is_file() and hash_file(path) != sha:
            raise ScaffoldError(
                f"{name} has changed since the stage {reader.stage} read it.",
                where=path,
                fix=f"{RERUN}; it repeats only what has changed",
            )


def _check_gate(project: Project, gate_record: Manifest) -> None:
    where = project.release / RELEASE
    release = Release.from_json(read_json(where))
    if gate_record.inputs.get("settings") != digest(gate.inputs(project).settings):
        raise ScaffoldError(
            "The limits have changed since the release thresholds were checked.",
            where=f"{project.root / PROJECT_FILE}: gate",
            fix=RERUN,
        )
    if release.released is not True:
        error = gate_error(release.checks, release.advice)
        why = "; ".join(f"{one.key}: {one.why}" for one in release.checks if one.verdict == UNKNOWN)
        unknown = f"It is unknown whether the gate passes: {why}."
        fix = error.fix if error else "measure more rows"
        raise ScaffoldError(
            error.what if error else unknown,
            where=where,
            fix=f"{fix}; only a released model can be published",
        )


def _check_measured(project: Project, forms: Sequence[str]) -> None:
    metrics = read_metrics(project.evaluation / METRICS)
    if metrics.model != project.model_id:
        raise ScaffoldError(
            f"project.yaml names another base model now; this was made from {metrics.model}.",
            where=f"{project.root / PROJECT_FILE}: model.id",
            fix=RERUN,
        )
    for form in forms:
        if form not in metrics.forms:
            why = metrics.not_measured.get(form, "it was left out")
            raise ScaffoldError(
                f"The {form} form was not evaluated: {why}.",
                where=project.evaluation / METRICS,
                fix="evaluate it where it runs, or choose others: --forms adapter merged",
            )
    if "onnx-adapter" in forms:
        own = next((name for name, folder in project.adapters if folder == project.adapter), None)
        record = manifest.read(project.onnx_adapter)
        adapters = record.facts.get("adapters", {}) if record else {}
        others = [name for name in adapters if name != own]
        if others:
            raise ScaffoldError(
                f"Not evaluated here: the adapter {', '.join(others)}.",
                where=f"{project.root / PROJECT_FILE}: adapters",
                fix="list only this project's own adapter there, then: phi3scaffold run",
            )


def _manifest(folder: Path, missing: str, reads: str | None = None) -> Manifest:
    """Return the folder's manifest; check that the file `reads` is unchanged."""
    record = manifest.read(folder)
    if record is None or (reads is not None and reads not in record.files):
        raise ScaffoldError(missing, where=folder, fix=RERUN)
    if reads is not None:
        try:
            same = hash_file(folder / reads) == record.files[reads].sha256
        except OSError:
            same = False
        if not same:
            raise changed(folder / reads)
    return record


def changed(path: Path) -> ScaffoldError:
    """Return the error about a file that differs from its manifest."""
    return ScaffoldError(
        f"{path.name} has changed since it was made, or is gone.",
        where=path,
        fix=f"{RERUN}, which makes it again",
    )
