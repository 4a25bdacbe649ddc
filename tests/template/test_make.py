"""`make infer`: whatever the text is, the verb gets it as it was typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold import generator
from tests.support.inner_make import inner_make
from tests.template.conftest import without_git

TOLD = "import json, sys; print(json.dumps(sys.argv[1:]))"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    answers = {"algo": "lora", "target": "cpu", "task": "qa"}
    folder = tmp_path_factory.mktemp("make") / "proj"
    with without_git():
        generator.new(folder, answers, wheel=False)
    return folder


def words(project: Path, *arguments: str) -> list[str]:
    """What `make infer` gives to the verb."""
    verb = f"PHI3SCAFFOLD={sys.executable} -c '{TOLD}'"
    command = ["make", "--silent", "infer", verb, *arguments]
    return json.loads(subprocess.check_output(command, cwd=project, text=True, env=inner_make()))


@pytest.mark.parametrize("text", ["plain", "-", 'it\'s "$HOME" `id` $(id) $5 \\n #c %d; x & y'])
def test_a_text_is_given_as_it_was_typed(text: str, project: Path) -> None:
    assert words(project, f"TEXT={text}") == ["infer", "--form", "onnx", "--", text]


def test_the_rest(project: Path) -> None:
    assert words(project) == ["infer", "--form", "onnx", "--example"]
    found = words(project, "FORM=merged", "ARGS=--json", "FILE=my rows.csv", "OUT=out.jsonl")
    assert found[:4] == ["infer", "--form", "merged", "--json"]
    assert found[4:] == ["--input", "my rows.csv", "--output", "out.jsonl"]
