"""A template that raises on a system turn, one with a date, and what lint sees of a model here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.chat_template import load_tokenizer, render_chat
from phi3scaffold.project.errors import ScaffoldError
from tests.checks.lint.helpers import change, found
from tests.support.phi3_files import phi3_files, write
from tests.support.unusable_models import DATED, NO_SYSTEM

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


def test_a_base_of_an_earlier_version_with_a_date_is_found(project: Path) -> None:
    base = project / "model-cache" / "base"
    shutil.copytree(project.parent / "mine", base)
    (base / "chat_template.jinja").write_text(DATED, encoding="utf-8")
    (finding,) = [one for one in found(project, "model") if one.state == "warning"]
    assert "writes today's date" in finding.what and finding.where == "model-cache/base"


def test_the_hubs_cache_is_looked_at_before_the_download(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    cache = tmp_path / "hub" / "models--someone--model"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    files = phi3_files(quantization_config={"quant_method": "awq", "bits": 4})
    write(cache / "snapshots" / commit, {"config.json": files["config.json"]})
    change(project, "project.yaml", str(tmp_path / "mine"), "someone/model")
    (finding,) = [one for one in found(project, "model") if one.state == "error"]
    assert "quantized (AWQ, 4-bit)" in finding.what
    assert str(finding.where).endswith(": model.id")


def test_a_tokenizer_that_cannot_be_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", phi3_files())
    with pytest.raises(ScaffoldError, match="tokenizer cannot be loaded") as caught:
        load_tokenizer(folder)
    assert caught.value.where == str(folder) and caught.value.exit_code == 2
