"""The pages of docs/reference/, from the code: `make reference` writes them.

Each page has one source: the commands' own parsers, template/copier.yml, the catalogue
of models, the projects in examples/
(a test keeps these as the template renders them), the records' dataclasses, the checks' docstrings.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reference.checks import checks
from reference.commands import commands, options_of_new
from reference.models import models
from reference.records import events, metrics
from reference.settings import dataset_yaml, olive_config, project_yaml

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
WRITTEN = "<!-- Written by `make reference`; edit what it is written from. -->\n"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "new.md": options_of_new,
    "models.md": models,
    "project-yaml.md": project_yaml,
    "dataset-yaml.md": dataset_yaml,
    "olive-config.md": olive_config,
    "metrics.md": metrics,
    "events.md": events,
    "checks.md": checks,
}


def pages() -> dict[str, str]:
    """Return file name -> text of every page."""
    return {name: WRITTEN + write() for name, write in PAGES.items()}
