"""One server for all tests that leave it as it was: the ONNX form and two adapters of one base."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.conftest import command
from tests.support.server import Server, without_training


@pytest.fixture(scope="session")
def served_project(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LoRA project, called `proj`, its adapter exported twice, under two names."""
    root = tmp_path_factory.mktemp("served") / "proj"
    shutil.copytree(tiny_project, root)
    path = root / "project.yaml"
    kept = path.read_text(encoding="utf-8").partition("\nadapters:")[0]
    adapters = "adapters: {tone: gen-model/adapter, other: gen-model/adapter}"
    path.write_text(f"{kept}\n{adapters}\n", encoding="utf-8")
    command("adapters", cwd=root)
    return root


@pytest.fixture(scope="session")
def server(served_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Nothing of [train] can be imported in it."""
    env = without_training(tmp_path_factory.mktemp("without"))
    words = ("--form", "onnx", "--form", "onnx-adapter", "--max-body", "256", "--body-timeout", "2")
    running = Server(served_project, *words, env=env).wait()
    yield running
    assert running.end() == 0
    assert not running.trouble


@pytest.fixture
def client(server: Server) -> openai.OpenAI:
    return server.client()
