"""One server for all tests that leave it as it was: the ONNX form and two adapters of one base."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import command
from tests.support.browser import chromium
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


@pytest.fixture
def own(served_project: Path) -> Iterator[Callable[..., Server]]:
    """Servers of this test alone; killed where it fails."""
    started: list[Server] = []

    def start(*words: str, **options: dict[str, str]) -> Server:
        started.append(Server(served_project, *words, **options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a server's page; nothing may leave the server's origin, and nothing may go wrong."""
    opened: list[tuple[Any, list[str], str]] = []

    def start(server: Server, width: int = 800, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(10_000)
        tab = context.new_page()
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: asked.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: asked.append(f"dialog: {dialog.message}"))
        tab.goto(server.url)
        opened.append((context, asked, server.url))
        return tab

    yield start
    for context, asked, url in opened:
        context.close()
        assert [one for one in asked if not one.startswith(f"{url}/")] == []
