"""A chat template that raises on a system turn: told with the row; else such a model works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.chat_template import render_chat
from phi3scaffold.project.errors import ScaffoldError
from tests.checks.lint.helpers import change, found
from tests.support.unusable_models import NO_SYSTEM

REASON = "The model's chat template refuses a system turn: System role not supported."


@pytest.fixture
def project(tmp_path: Path, capsys) -> Path:
    """A project of tiny's own files, whose template knows no system turn."""
    folder = Path(shutil.copytree(tiny_folder(), tmp_path / "mine"))
    (folder / "chat_template.jinja").write_text(NO_SYSTEM, encoding="utf-8")
    rows = tmp_path / "rows.jsonl"
    lines = [{"question": f"What is {n} and {n}?", "answer": f"It is {n + n}."} for n in range(60)]
    rows.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    root = tmp_path / "proj"
    words = ["new", str(root), "--algo", "lora", "--target", "cpu", "--no-git", "--defaults"]
    assert main(VERBS, [*words, "--data", str(rows), "--model", str(folder)]) == 0
    capsys.readouterr()
    return root


def test_a_system_text_is_refused_by_data_and_lint(project: Path, capsys) -> None:
    assert main(VERBS, ["data", "--project", str(project)]) == 0
    capsys.readouterr()
    yaml = project / "datasets" / "dataset.yaml"
    text = yaml.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("system:")]
    yaml.write_text("\n".join([*lines, "system: Be brief.", ""]), encoding="utf-8")
    assert main(VERBS, ["data", "--project", str(project)]) == 2
    said = capsys.readouterr().err
    assert REASON in said and "rows.jsonl:" in said and "datasets/dataset.yaml" in said
    assert "stage failed" not in said and "Traceback" not in said
    assert main(VERBS, ["model", "--project", str(project)]) == 0
    (finding,) = [one for one in found(project, "model") if one.state == "error"]
    assert finding.what == REASON
    assert str(finding.where).startswith("datasets/dataset.yaml:")
    change(project, "datasets/dataset.yaml", "system: Be brief.", "system: null")
    assert not [one for one in found(project, "model") if one.state == "error"]


def test_the_reason_is_the_templates_own_in_genai_too() -> None:
    """ONNX Runtime GenAI raises a plain RuntimeError, with the place and the text behind it."""

    def refuse(self: Any, turns: str, **options: Any) -> str:
        raise RuntimeError(f"System role not supported at row 1, column 59:\n{turns}")

    kind = type("Tokenizer", (), {"apply_chat_template": refuse, "__module__": "onnxruntime_genai"})
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]
    with pytest.raises(ScaffoldError) as caught:
        render_chat(kind(), turns, to_answer=True)
    assert caught.value.what == REASON and caught.value.exit_code == 2
