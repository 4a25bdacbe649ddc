"""Shared by the generator's tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Write a data file: a list becomes JSON lines, text and bytes are written as they are."""

    def write(content: Any, name: str = "rows.jsonl") -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def no_leftovers(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to make projects in; afterwards it holds nothing hidden."""
    folder = tmp_path / "projects"
    folder.mkdir()
    yield folder
    hidden = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not hidden, f"left behind: {hidden}"
