"""The state of a project: its settings, its stages, its forms and their metrics.

Nothing is judged here (see doctor and lint), nothing heavy is imported, and nothing is written:
what cannot be told is null.
"""

from __future__ import annotations

from typing import Any

from phi3scaffold.inference.forms.kinds import FORMS, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.stage import Stage
from phi3scaffold.pipeline.stage_runner import is_up_to_date
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import try_json
from phi3scaffold.project.layout import METRICS, RELEASE
from phi3scaffold.project.olive_config import load_config
from phi3scaffold.project.settings import AUTO, Project
from phi3scaffold.stages.disk_use import disk_use, removable
from phi3scaffold.stages.graph import STAGES, up_to

FRESH, STALE, MISSING = "up to date", "stale", "missing"
# The metrics of a form that matter first.
METRICS_SHOWN = (
    "accuracy", "exact_match", "rouge_l", "perplexity", "agreement", "tokens_per_second",
    "disk_bytes",
)  # fmt: skip


def project_status(project: Project) -> dict[str, Any]:
    """Return the state of a project as values for JSON.

    Returns:
        name, root and settings; stages: name -> up to date, stale or missing, of those of a run
        and what else was run; forms: name -> bytes, files, and sha256 over all of them;
        evaluation: form -> metrics, or null; released: true, false, or null before any evaluation
        and where the verdict is out of date;
        disk: folder -> bytes; removable: what `clean` and `clean --all` free, in bytes.
    """
    forms = try_json(project.evaluation / METRICS).get("forms") or {}
    stages = _states(project)
    is_current = stages.get("gate") == FRESH
    return {
        "name": project.root.name,
        "root": str(project.root),
        "settings": _settings(project),
        "stages": stages,
        "forms": _forms(project),
        "evaluation": {
            form: {key: metrics[key] for key in METRICS_SHOWN if metrics.get(key) is not None}
            for form, metrics in forms.items()
        }
        or None,
        "released": try_json(project.release / RELEASE).get("released") if is_current else None,
        "disk": disk_use(project),
        "removable": {
            name: sum(one.bytes for one in removable(project, everything=everything))
            for name, everything in (("clean", False), ("clean_all", True))
        },
    }


def _settings(project: Project) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": project.model_id,
        "revision": project.revision,
        "commit": try_json(project.lock).get("commit"),
        "target": project.target,
        "demonstration": project.is_demonstration,
        "evaluate_rows": project.evaluate_rows or AUTO,
        "algo": None,
        "passes": None,
    }
    try:
        olive = load_config(project.olive_config)
        settings["passes"] = [str(one["type"]) for one in olive.passes.values()]
        settings["algo"] = olive.passes[olive.names_for("finetune")[0]]["type"].lower()
    except ScaffoldError:
        pass  # lint says what is wrong with it
    return settings


def _states(project: Project) -> dict[str, str]:
    """Return each stage's state; what stands behind one that is out of date is so, too."""
    states: dict[str, str] = {}
    for stage in STAGES.values():
        if not stage.wanted(project):
            continue
        if stage.name not in up_to() and manifest.read(stage.folder(project)) is None:
            continue
        before = {states.get(name, FRESH) for name in stage.after_in(STAGES)}
        own = _state(stage, project)
        states[stage.name] = own if before <= {FRESH} or own == MISSING else STALE
    return states


def _state(stage: Stage, project: Project) -> str:
    if manifest.read(stage.folder(project)) is None:
        return MISSING
    try:
        return FRESH if is_up_to_date(stage, project, STAGES) else STALE
    except (ScaffoldError, OSError):  # something that it is made of is gone, or wrong
        return STALE


def _forms(project: Project) -> dict[str, dict[str, Any]]:
    made = {name: manifest.read(folder_of(name, project)) for name in FORMS if name != "base"}
    return {
        name: {
            "bytes": one.total_bytes,
            "files": len(one.files),
            "sha256": one.content,
        }
        for name, one in made.items()
        if one is not None
    }
