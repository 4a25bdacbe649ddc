"""Three releases, and a project of the first, made once; each test has its own copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.generator import template
from phi3scaffold.generator.update import trees
from tests.support.releases import Release, make, releases


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """Version -> release."""
    return releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="session")
def first(made: dict[str, Release], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 0.1.0 with its first commit. Copy it."""
    return make(made["0.1.0"], tmp_path_factory.mktemp("first") / "proj")


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """A copy to work with; its folder's name is not an easy one."""
    return Path(shutil.copytree(first, tmp_path / "mein Projekt ü", symlinks=True))


@pytest.fixture(scope="session", autouse=True)
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the same answers and the same version give is rendered once for all tests."""
    kept: dict[str, Path] = {}

    def once(real: Callable[..., Any]) -> Callable[..., None]:
        def write(folder: Path, *words: Any, **named: Any) -> None:
            question = json.dumps(
                [real.__name__, words, named, str(template.BUNDLE)], sort_keys=True, default=str
            )
            if question not in kept:
                made = tmp_path_factory.mktemp("once")
                real(made, *words, **named)
                kept[question] = made
            shutil.copytree(kept[question], folder, dirs_exist_ok=True)

        return write

    with pytest.MonkeyPatch.context() as patch:
        for name in ("render", "write_wheel"):
            patch.setattr(trees, name, once(getattr(trees, name)))
        yield
