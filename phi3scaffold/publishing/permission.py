"""Whether a model may go out: released, as it was measured, and the report speaks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.gate import gate_error
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import UNKNOWN, Release
from phi3scaffold.inference.forms.kinds import KINDS, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import digest
from phi3scaffold.pipeline.manifest import Manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import METRICS, MODEL_CARD, RELEASE
from phi3scaffold.project.settings import MARKER, Project
from phi3scaffold.stages import gate
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.targets.registry import target_of

AGAIN = "phi3scaffold run"
WRITTEN = ("datasets/", "fine-tuning/")  # what a person wrote


def check_allowed(project: Project, forms: Sequence[str], *, with_data: bool = False) -> None:
    """Refuse what has not passed the gate, or is not what passed it.

    The manifests are compared with each other here, and with the project's own files; what was
    made with its manifest by whoever reads it.

    Args:
        project: the project.
        forms: those that go up.
        with_data: whether the rows, too.

    Raises:
        ScaffoldError: a form was not made or not measured; nobody has looked at the gate, or it is
            broken, or its limits are others now; the rows, the forms, the evaluation, the gate and
            the report do not belong together.
    """
    for form in forms:
        KINDS[form].check(folder_of(form, project))
    measured = _manifest(project.evaluation, "The forms were not measured.", METRICS)
    looked_at = _manifest(project.release, "Nobody has looked at the gate.", RELEASE)
    report = _manifest(project.report, "There is no model card yet.", MODEL_CARD)
    _check_gate(project, looked_at)
    made = {"evaluate": measured, "gate": looked_at, "report": report}
    for form in forms:
        folder = folder_of(form, project)
        made[KINDS[form].stage] = _manifest(folder, f"{folder.name} has no manifest.")
    rows = manifest.read(project.rows)
    remote = target_of(project).remote  # a job may have been given rows from elsewhere
    if rows is not None and (with_data or not remote):
        made["data"] = rows
    for one in made.values():
        _check_inputs(project, one, made)
    _check_measured(project, forms)


def _check_inputs(project: Project, looker: Manifest, made: Mapping[str, Manifest]) -> None:
    """Refuse where something is not here any more as `looker` found it."""
    for name, sha in looker.inputs.items():
        before, path = name.removeprefix("stage:"), project.root / name
        if name.startswith("stage:") and before in made and made[before].content != sha:
            raise ScaffoldError(
                f"What {before} made is not what {looker.stage} has looked at.",
                where=STAGES[before].folder(project),
                fix=f"{AGAIN}; it does again only what has changed",
            )
        if name.startswith(WRITTEN) and path.is_file() and digest_of(path) != sha:
            raise ScaffoldError(
                f"{name} has changed since the stage {looker.stage} has looked at it.",
                where=path,
                fix=f"{AGAIN}; it does again only what has changed",
            )


def _check_gate(project: Project, looked_at: Manifest) -> None:
    where = project.release / RELEASE
    release = Release.from_json(_read(where))
    if looked_at.inputs.get("settings") != digest(gate.inputs(project).settings):
        raise ScaffoldError(
            "The limits have changed since the gate was looked at.",
            where=f"{project.root / MARKER}: gate",
            fix=AGAIN,
        )
    if release.released is not True:
        error = gate_error(release.checks)
        why = "; ".join(f"{one.key}: {one.why}" for one in release.checks if one.verdict == UNKNOWN)
        unknown = f"It is not known whether the gate passes: {why}."
        fix = error.fix if error else "measure more rows"
        raise ScaffoldError(
            error.what if error else unknown,
            where=where,
            fix=f"{fix}; only what is released is published",
        )


def _check_measured(project: Project, forms: Sequence[str]) -> None:
    metrics = Metrics.from_json(_read(project.evaluation / METRICS))
    if metrics.model != project.model_id:
        raise ScaffoldError(
            f"project.yaml names another base model now; it was made from {metrics.model}.",
            where=f"{project.root / MARKER}: model.id",
            fix=AGAIN,
        )
    for form in forms:
        if form not in metrics.forms:
            why = metrics.not_measured.get(form, "it was left out")
            raise ScaffoldError(
                f"The {form} form was not measured: {why}.",
                where=project.evaluation / METRICS,
                fix="measure it where it runs, or choose others: --forms adapter merged",
            )
    if "onnx-adapter" in forms:
        own = next((name for name, folder in project.adapters if folder == project.adapter), None)
        made = manifest.read(project.onnx_adapter)
        others = [name for name in (made.facts.get("adapters", {}) if made else {}) if name != own]
        if others:
            raise ScaffoldError(
                f"Not measured here: the adapter {', '.join(others)}.",
                where=f"{project.root / MARKER}: adapters",
                fix="keep only this project's own there, then: phi3scaffold run",
            )


def _manifest(folder: Path, missing: str, reads: str | None = None) -> Manifest:
    """The folder's manifest; `reads` is the file of it that is read here, unchanged."""
    found = manifest.read(folder)
    if found is None or (reads is not None and reads not in found.files):
        raise ScaffoldError(missing, where=folder, fix=AGAIN)
    if reads is not None:
        try:
            same = digest_of(folder / reads) == found.files[reads]["sha256"]
        except OSError:
            same = False
        if not same:
            raise changed(folder / reads)
    return found


def changed(path: Path) -> ScaffoldError:
    """The error about a file that is not as its manifest says."""
    return ScaffoldError(
        f"{path.name} has changed since it was made, or is gone.",
        where=path,
        fix=f"{AGAIN}, which makes it again",
    )


def digest_of(path: Path) -> str:
    """sha256 of a file, read whole: no cache of hashes is asked before something goes out."""
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise changed(path) from None
