"""Every combination of the options is sound as `phi3scaffold lint` sees it; Olive is asked, too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.checks.lint.report import look
from phi3scaffold.checks.lint.tree import Tree
from phi3scaffold.generator.wheel import write_wheel
from tests.template.conftest import Made, without_git

MORE = (
    {"target": "cuda", "precision": "fp16"},
    {"target": "directml", "precision": "fp16"},
    {"precision": "int8"},
    {"precision": "fp32"},
    {"recipe": "best"},
    {"quantizer": "kquant"},
    {"model": "tiny"},
    {"model": "tiny", "target": "aml"},
    {"model": "phi-3-medium-4k", "task": "chat"},
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel"))


def complaints(root: Path) -> list[str]:
    report = look(Tree(root))
    return [f"{one.id} {one.where}: {one.what}" for one in report.verdicts if one.state in BAD]


BAD = ("error", "warning", "note")


def test_each_combination(made: Made, wheel: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(made.root, root)
    shutil.copy(wheel, root / "setup")
    assert complaints(root) == []


@pytest.mark.parametrize("answers", MORE, ids=lambda answers: "-".join(answers.values()))
def test_the_other_options(answers: dict[str, str], wheel: Path, tmp_path: Path) -> None:
    with without_git():
        root = generator.new(tmp_path / "proj", answers, git=False, wheel=False)
    shutil.copy(wheel, root / "setup")
    assert complaints(root) == []
