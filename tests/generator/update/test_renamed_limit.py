"""A project of the release before follows renamed keys; the user's values and comments stay."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml

from phi3scaffold.evaluation.limits import project_limits
from phi3scaffold.generator import bundle, template, update
from phi3scaffold.project.settings import load_project
from tests.support.releases import Release, commit, edit, installed, make


def released(folder: Path, version: str, previous: Path | None, *, old: bool) -> Release:
    """Today's template as that version; `old`: with the names of before."""
    source = folder / version / "template"
    shutil.copytree(template.folder(), source, ignore=shutil.ignore_patterns(*template.NOT_SHIPPED))
    settings = source / "copier.yml"
    text = settings.read_text(encoding="utf-8")
    number = rf'\1"{version}"'
    text = re.sub(r'(template_version:(?:.*\n)+?  default: )".*"', number, text, count=1)
    settings.write_text(text, encoding="utf-8")
    if old:
        gate = source / bundle.GATE
        text = gate.read_text(encoding="utf-8")
        gate.write_text(text.replace("truncated_answers:", "unfinished:"), encoding="utf-8")
        (source / "migrations.yaml").write_text("files: []\nkeys: []\n", encoding="utf-8")
    path = folder / version / "template.bundle"
    bundle.build(source, version, previous, path)
    return Release(version, source, path)


def test_a_limit_that_was_renamed_keeps_its_value(tmp_path: Path) -> None:
    before = released(tmp_path, "0.0.9", None, old=True)
    now = released(tmp_path, "0.1.0", before.bundle, old=False)
    project = make(before, tmp_path / "proj")
    edit(project, "project.yaml", lambda text: text.replace("unfinished: 0.02", "unfinished: 0.3"))
    assert project_limits(load_project(project))["truncated_answers"] == 0.3  # before the update
    commit(project)
    with installed(now):
        found = update.update(project, {})
    assert not found.of("conflict")
    gate = yaml.safe_load((project / "project.yaml").read_text(encoding="utf-8"))["gate"]
    assert gate["truncated_answers"] == 0.3 and "unfinished" not in gate
    assert project_limits(load_project(project))["truncated_answers"] == 0.3
