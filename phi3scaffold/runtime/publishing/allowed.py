"""Whether a model may go out: released, as it was measured, and the report speaks of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import MARKER, Project
from phi3scaffold.runtime.evaluation.gate import UNKNOWN, Check, verdict
from phi3scaffold.runtime.forms import check_made, folder_of
from phi3scaffold.runtime.pipeline import manifest
from phi3scaffold.runtime.pipeline.hashing import digest
from phi3scaffold.runtime.pipeline.manifest import Manifest
from phi3scaffold.runtime.report.card import CARD
from phi3scaffold.runtime.stages import evaluate, gate

# What a person may publish, and the stage that makes it; the base alone was never measured by a
# gate, and lies on the hub already.
MADE_BY = {"onnx": "export", "adapter": "finetune", "merged": "merge", "onnx-adapter": "adapters"}
AGAIN = "phi3scaffold run"


def check_allowed(project: Project, forms: Sequence[str]) -> None:
    """Refuse what has not passed the gate, or is not what passed it.

    The manifests are compared with each other here; the files with their manifests by whoever
    reads them.

    Raises:
        ScaffoldError: a form was not made or not measured; nobody has looked at the gate, or it is
            broken, or its limits are others now; the forms, the evaluation, the gate and the
            report do not belong together.
    """
    for form in forms:
        check_made(form, folder_of(form, project))
    measured = _manifest(project.evaluation, "The forms were not measured.", evaluate.METRICS)
    looked_at = _manifest(project.release, "Nobody has looked at the gate.", gate.RELEASE)
    report = _manifest(project.report, "There is no model card yet.", CARD)
    _check_gate(project, looked_at)
    folders = {
        **{MADE_BY[form]: folder_of(form, project) for form in forms},
        **{"evaluate": project.evaluation, "gate": project.release},
    }
    for stage, folder in folders.items():
        here = _manifest(folder, f"{folder.name} has no manifest.").content
        for recorder in (measured, looked_at, report):
            if recorder.inputs.get(f"stage:{stage}", here) != here:
                raise ScaffoldError(
                    f"What {stage} made is not what {recorder.stage} has looked at.",
                    where=folder,
                    fix=f"{AGAIN}; it does again only what has changed",
                )
    _check_measured(project, forms)


def _check_gate(project: Project, looked_at: Manifest) -> None:
    where = project.release / gate.RELEASE
    release = _read(where)
    if looked_at.inputs.get("settings") != digest(gate.inputs(project).settings):
        raise ScaffoldError(
            "The limits have changed since the gate was looked at.",
            where=f"{project.root / MARKER}: gate",
            fix=AGAIN,
        )
    if release["released"] is not True:
        checks = [Check(**found) for found in release["checks"]]
        error = verdict(checks)
        why = "; ".join(f"{one.key}: {one.why}" for one in checks if one.verdict == UNKNOWN)
        unknown = f"It is not known whether the gate is kept: {why}."
        fix = error.fix if error else "measure more rows"
        raise ScaffoldError(
            error.what if error else unknown,
            where=where,
            fix=f"{fix}; only what is released is published",
        )


def _check_measured(project: Project, forms: Sequence[str]) -> None:
    metrics = _read(project.evaluation / evaluate.METRICS)
    for form in forms:
        if form not in metrics["forms"]:
            why = metrics.get("not_measured", {}).get(form, "it was not asked")
            raise ScaffoldError(
                f"The {form} form was not measured: {why}.",
                where=project.evaluation / evaluate.METRICS,
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
