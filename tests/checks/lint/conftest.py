"""Projects to break: one for each kind, made once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.generator.wheel import record_wheel, write_wheel
from tests.template.conftest import without_git

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A project for some answers, with the wheel, in no repository. Read only."""
    folder = tmp_path_factory.mktemp("sound")
    wheel = write_wheel(folder)
    there: dict[tuple[tuple[str, str], ...], Path] = {}

    def make(**answers: str) -> Path:
        key = tuple(sorted(answers.items()))
        if key not in there:
            with without_git():
                root = folder / ("-".join(answers.values()).replace("/", "-") or "default")
                there[key] = generator.new(root, answers, git=False, wheel=False)
            shutil.copy(wheel, root / "setup")
            record_wheel(root)
        return there[key]

    return make


@pytest.fixture
def make(made_once: Callable[..., Path], tmp_path: Path) -> Make:
    """A project for some answers, to change."""

    def copied(**answers: str) -> Path:
        return Path(shutil.copytree(made_once(**answers), tmp_path / "proj", symlinks=True))

    return copied


@pytest.fixture
def tiny_copy(tiny_project: Path, tmp_path: Path) -> Path:
    """A trained project, to change."""
    return Path(shutil.copytree(tiny_project, tmp_path / "trained", symlinks=True))
