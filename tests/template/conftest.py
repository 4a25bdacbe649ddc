"""Every case of `cases.py`, rendered once for all tests of the template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from phi3scaffold import generator
from phi3scaffold.datasets.detection import guess
from phi3scaffold.generator import template
from phi3scaffold.generator.row_source import RowSource
from phi3scaffold.models import catalogue
from tests.support.phi3_files import phi3_files, write
from tests.template.cases import CASES, Case, name_of

ROWS = {
    "classify": [{"phrase": f"text {n}", "tone": "ab"[n % 2]} for n in range(10)],
    "qa": [{"question": f"why {n}?", "answer": "so"} for n in range(10)],
    "chat": [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    ],
}
ON_THE_HUB = f"hf://datasets/somebody/rows@{'0' * 40}/train.jsonl"


class Made(NamedTuple):
    """One rendered project and the case that it was made of."""

    root: Path
    answers: Case

    @property
    def name(self) -> str:
        return self.root.name


def choices(name: str) -> tuple[str, ...]:
    return template.questions()[name].choices


@contextmanager
def without_git() -> Iterator[None]:
    """As on a machine without git: the plain folder is copied, and much quicker.

    Another test shows that it gives the same as the bundle.
    """
    from plumbum import local

    with pytest.MonkeyPatch.context() as patch, local.env(PATH="/nowhere"):
        patch.setattr("phi3scaffold.generator.render.have_git", lambda: False)
        yield


@contextmanager
def small_tiny(folder: Path) -> Iterator[None]:
    """tiny's files with next to no weights: 8 MB a project are much to copy."""
    (folder / "tiny").mkdir(parents=True, exist_ok=True)
    for path in catalogue.tiny_folder().iterdir():
        content = b"x" if path.suffix == ".safetensors" else path.read_bytes()
        (folder / "tiny" / path.name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "tiny_folder", lambda: folder / "tiny")
        yield


def make(folder: Path, case: Case, scratch: Path) -> Made:
    """The project of a case in `folder`; the wheel is left out: every project has the same.

    Args:
        scratch: for its rows and its model.
    """
    scratch.mkdir(parents=True)
    answers = {name: value for name, value in case.items() if name != "rows" and value}
    if case["model"] == "folder":
        answers["model"] = str(scratch / "model")
        write(scratch / "model", phi3_files())
    data = write_rows(scratch, case["task"], case["rows"])
    root = folder / name_of(case)
    generator.new(root, answers, data=data, git=False, wheel=False)
    return Made(root, case)


def write_rows(folder: Path, task: str, kind: str) -> Path | RowSource | None:
    """Rows of a task as a file or folder, or as the hub's; None for the template's samples."""
    rows = ROWS[task]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if kind == "sample":
        return None
    if kind == "folder":
        (folder / "rows").mkdir()
        for split in ("train", "test"):
            (folder / "rows" / f"{split}.jsonl").write_text(lines)
        return folder / "rows"
    path = folder / f"mine.{'jsonl' if kind == 'hub' else kind}"
    if kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "csv":
        table = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(table) + "\n")
    else:
        path.write_text(lines)
    if kind == "hub":
        found = guess([path], task)
        return RowSource(task, found.answer([ON_THE_HUB], 0.2), found.said)
    return path


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """name -> the project, all made outside the repository."""
    folder, scratch = (tmp_path_factory.mktemp(name) for name in ("rendered", "scratch"))
    with without_git(), small_tiny(scratch):
        made = [make(folder, case, scratch / str(n)) for n, case in enumerate(CASES)]
    return {one.name: one for one in made}


@pytest.fixture(params=CASES, ids=name_of)
def made(request: pytest.FixtureRequest, rendered: dict[str, Made]) -> Made:
    """Each of the cases in turn."""
    return rendered[name_of(request.param)]
