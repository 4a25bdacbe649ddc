"""Every combination of algo, target and task, rendered once for all tests of the template."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from phi3scaffold import generator
from phi3scaffold.generator import template


class Made(NamedTuple):
    """One rendered project and the answers it was made with."""

    root: Path
    answers: dict[str, str]

    @property
    def name(self) -> str:
        return self.root.name


def choices(name: str) -> tuple[str, ...]:
    return template.questions()[name].choices


COMBINATIONS = list(itertools.product(choices("algo"), choices("target"), choices("task")))


@contextmanager
def without_git() -> Iterator[None]:
    """As on a machine without git: the plain folder is copied, and much quicker.

    Another test shows that it gives the same as the bundle.
    """
    from plumbum import local

    with pytest.MonkeyPatch.context() as patch, local.env(PATH="/nowhere"):
        patch.setattr("phi3scaffold.generator.render.have_git", lambda: False)
        yield


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Made]:
    """(algo, target, task) -> the project, made outside the repository.

    The wheel is left out: every project has the same.
    """
    folder = tmp_path_factory.mktemp("rendered")
    made = {}
    with without_git():
        for combination in COMBINATIONS:
            answers = dict(zip(("algo", "target", "task"), combination, strict=True))
            root = folder / "-".join(combination)
            generator.new(root, answers, git=False, wheel=False)
            made[combination] = Made(root, answers)
    return made


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def made(request: pytest.FixtureRequest, rendered: dict[tuple[str, ...], Made]) -> Made:
    """Each of the combinations in turn."""
    return rendered[request.param]
