"""A trained project to publish, a hub on the loopback to publish it to, and the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub_server import HubServer

REPO = "ann/tones"
TOKEN = "a-token-of-ann"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.users[TOKEN] = "ann"
        yield server


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path) -> Path:
    left = shutil.ignore_patterns("setup", ".git", "model-cache")
    return Path(shutil.copytree(tiny_project, tmp_path / "tones", ignore=left))


def command(project: Path, hub: HubServer, *words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "phi3scaffold", "publish", *words],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(project.parent / "hf-home"),
            "HF_HUB_DISABLE_XET": "1",  # plain HTTP: the storage behind Xet has no loopback
            "HF_TOKEN": TOKEN,
            **env,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def publish(project: Path, hub: HubServer, *words: str, code: int = 0, **env: str) -> str:
    """What it says, both streams together; it has to end with `code`."""
    running = command(project, hub, *words, **env)
    try:
        said = "".join(running.communicate(timeout=60))
    finally:
        running.kill()
    assert running.returncode == code, said
    assert TOKEN not in said
    assert "Traceback" not in said
    return said


def on_the_hub(hub: HubServer, repo: str = REPO) -> dict[str, bytes]:
    """What the repository's branch holds, but for what the hub itself puts there."""
    found = hub.repositories[repo]
    files = found.commits[found.branches["main"]]
    return {name: content for name, content in files.items() if name != ".gitattributes"}
