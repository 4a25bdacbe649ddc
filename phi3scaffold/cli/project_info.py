"""What there is: versions, a project's settings, its stages, what was made and how good it is.

Nothing is judged here (see doctor and lint), nothing is imported that is heavy, and nothing is
made: where a thing cannot be told, it is null.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.checks.doctor.packages import known_pins
from phi3scaffold.checks.installed_packages import FOLDERS, Environment
from phi3scaffold.generator import template
from phi3scaffold.inference.forms.kinds import FORMS, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.runner import is_up_to_date
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import METRICS, RELEASE
from phi3scaffold.project.olive_config import load_config
from phi3scaffold.project.settings import MARKER, Project
from phi3scaffold.stages.graph import STAGES, up_to

FORMAT = 1  # of the object; a key that goes or changes its meaning makes it 2
FRESH, STALE, MISSING = "up to date", "stale", "missing"
# Of a rung of metrics.json, what a person asks first.
NUMBERS = ("accuracy", "rouge_l", "perplexity", "agreement", "tokens_per_second", "disk_bytes")


def info(project: Project | None) -> dict[str, Any]:
    """Everything, as JSON-able values.

    Returns:
        format, version, python, platform, template; packages: name -> {"expected", "installed"};
        project: null outside of one, else see `_project`.
    """
    return {
        "format": FORMAT,
        "version": __version__,
        "template": template.version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _packages(project),
        "project": None if project is None else _project(project),
    }


def _packages(project: Project | None) -> dict[str, dict[str, str | None]]:
    """The direct pins, those of the project's setup/ where there are any, and what is here."""
    asked = None if project is None else project.root / "setup" / FOLDERS[".venv"]
    here = Environment("this Python", Path(sys.prefix), None, asked)
    pins = here.pins or known_pins(here)
    return {
        name: {"expected": pins[name], "installed": here.installed(name)} for name in sorted(pins)
    }


def _project(project: Project) -> dict[str, Any]:
    """name, root; settings; stages: name -> up to date, stale or missing, those of a run and what
    else was made; forms: name -> bytes, files, and sha256 over all of them; evaluation: form ->
    some numbers, or null; released: true, false, or null where nothing was measured.
    """
    settings: dict[str, Any] = {
        "model": project.model_id,
        "revision": project.revision,
        "commit": _read(project.lock).get("commit"),
        "target": project.target,
        "demonstration": project.is_demonstration,
        "evaluate_rows": project.evaluate_rows,
        "algo": None,
        "passes": None,
    }
    try:
        olive = load_config(project.olive_config)
        settings["passes"] = [str(one["type"]) for one in olive.passes.values()]
        settings["algo"] = olive.passes[olive.names_for("finetune")[0]]["type"].lower()
    except ScaffoldError:
        pass  # lint says what is wrong with it
    metrics = _read(project.evaluation / METRICS)
    return {
        "name": project.root.name,
        "root": str(project.root),
        "settings": settings,
        "stages": {
            stage.name: _state(stage.name, project)
            for stage in STAGES.values()
            if stage.wanted(project)
            and (stage.name in up_to() or manifest.read(stage.folder(project)))
        },
        "forms": _forms(project),
        "evaluation": {
            form: {key: rung[key] for key in NUMBERS if rung.get(key) is not None}
            for form, rung in (metrics.get("forms") or {}).items()
        }
        or None,
        "released": _read(project.release / RELEASE).get("released"),
    }


def _state(name: str, project: Project) -> str:
    stage = STAGES[name]
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
            "bytes": sum(int(file["bytes"]) for file in one.files.values()),
            "files": len(one.files),
            "sha256": one.content,
        }
        for name, one in made.items()
        if one is not None
    }


def _read(path: Path) -> dict[str, Any]:
    """A JSON file, empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def project_here(start: Path) -> bool:
    """Whether `start` lies in a project, sound or not."""
    return any((folder / MARKER).is_file() for folder in (start, *start.parents))
