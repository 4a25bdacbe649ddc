"""The targets and what Python and the template each know of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from phi3scaffold.checks.doctor.packages import EXTRAS
from phi3scaffold.generator import template
from phi3scaffold.generator.requirements import distribution
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import find_project
from phi3scaffold.targets import registry
from tests.test_architecture import MODULES, ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\ntarget: mars\n")
    return tmp_path


def test_the_template_asks_for_the_targets_that_there_are() -> None:
    assert template.questions()["target"].choices == tuple(registry.TARGETS)
    assert list(template.targets()) == list(registry.TARGETS)
    assert template.cloud_targets() == registry.remote_names()


def test_what_the_template_installs_is_what_the_target_declares() -> None:
    extras = distribution().extras
    for name, target in registry.TARGETS.items():
        installed = {
            one for many in template.targets()[name]["environments"].values() for one in many
        }
        own = {target.extra[0]} if target.extra else set()
        assert installed - set(EXTRAS) == own
        assert not target.extra or any(
            pin.startswith(f"{target.extra[1]}==") for pin in extras[target.extra[0]]
        )


def test_no_other_file_spells_a_target_of_the_cloud() -> None:
    names = "|".join(registry.remote_names())
    spelled = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in MODULES
        if "azureml" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(rf"(?<![\w.])(?:{names})\b", line)
    ]
    assert spelled == []


def test_an_unknown_target_is_refused(root: Path) -> None:
    project = find_project(root)
    for refuse in (
        lambda: registry.target_of(project),
        lambda: registry.check_target(project, "data"),
        lambda: registry.check_target(replace(project, local=True), "finetune"),
        lambda: registry.remote_target(project, "job submit"),
    ):
        with pytest.raises(ScaffoldError, match="Unknown target 'mars'") as caught:
            refuse()
        assert str(caught.value.where).endswith("project.yaml: target")
        assert str(caught.value.fix).startswith("one of: cpu, ")


def test_a_job_needs_a_target_in_the_cloud(root: Path) -> None:
    project = replace(find_project(root), target="cpu")
    with pytest.raises(ScaffoldError, match="this project runs here, on cpu") as caught:
        registry.remote_target(project, "job submit")
    assert "--target" in str(caught.value.fix)
