"""A project whose form is an echo, for `infer` and `chat`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from phi3scaffold.cli import form_options
from phi3scaffold.models.prompt import Prompt
from tests.support.echo import Echo


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return tmp_path


@pytest.fixture
def use(project: Path, monkeypatch: pytest.MonkeyPatch):
    """`use(prompt)`: what open_form gives from now on."""

    def use(prompt: Prompt, **options: int) -> Echo:
        form = Echo(prompt, **options)
        monkeypatch.setattr(form_options, "open_form", lambda name, project, adapter: form)
        return form

    return use
