"""Every case of `cases.py` is sound as `phi3scaffold lint` sees it; Olive is asked, too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.checks.lint_report import lint_project
from phi3scaffold.generator.wheel import record_wheel, write_wheel
from tests.template.conftest import Made

BAD = ("error", "warning", "note")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel"))


def test_each_case(made: Made, wheel: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(made.root, root)
    shutil.copy(wheel, root / "setup")
    record_wheel(root)
    assert [
        finding for finding in lint_project(LintContext(root)).findings if finding.state in BAD
    ] == []
