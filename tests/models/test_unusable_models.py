"""Models that cannot be trained: refused by `new`, `model` and `lint`, each with one message."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.models import template_file
from phi3scaffold.models.template_trial import check_template
from tests.support.hub_server import HubServer
from tests.support.phi3_files import phi3_files, project_for, write
from tests.support.unusable_models import (
    CARD,
    CHATML,
    DATED,
    NO_SYSTEM,
    POINTER,
    QUANTIZED,
    TEMPLATES,
    with_template,
)

ORIGINAL = "microsoft/Phi-3-mini-4k-instruct"
TURNS = [{"role": "user", "content": "a"}]


def refusals(tmp_path: Path, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> str:
    """What `new`, `model` and `lint` say of a model folder; all must refuse it alike."""
    folder = write(tmp_path / "mine", files)
    words = ["new", str(tmp_path / "proj"), "--algo", "lora", "--target", "cpu", "--task", "qa"]
    assert main(VERBS, [*words, "--model", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and not (tmp_path / "proj").exists()
    message = said.removeprefix("error: ").splitlines()[0]
    project = project_for(tmp_path / "project", str(folder))
    assert main(VERBS, ["model", "--project", str(project.root)]) == 2
    told = capsys.readouterr().err
    assert message in told and "stage failed" not in told and not project.base.exists()
    assert main(VERBS, ["lint", "--project", str(project.root), "--json", "--quick"]) == 1
    findings = json.loads(capsys.readouterr().out)
    (finding,) = [one for one in findings if one["id"] == "L05-model"]
    assert finding["state"] == "error" and message in finding["what"]
    words = ["doctor", "--project", str(project.root), "--only", "D19-model", "--json"]
    assert main(VERBS, words) == 1
    findings = json.loads(capsys.readouterr().out)["verdicts"]
    (finding,) = [one for one in findings if one["id"] == "D19-model"]
    assert finding["state"] == "error" and finding["what"] == message
    return said


@pytest.mark.parametrize("method", QUANTIZED)
def test_quantized_weights(method: str, tmp_path: Path, capsys) -> None:
    settings, name = QUANTIZED[method]
    files = phi3_files(quantization_config=settings, _name_or_path=ORIGINAL)
    said = refusals(tmp_path, files, capsys)
    assert f"weights are quantized ({name})" in said
    assert "config.json: quantization_config" in said
    assert f"choose the unquantized original, which its files name: {ORIGINAL}" in said


def test_the_card_names_the_original(tmp_path: Path, capsys) -> None:
    settings, _ = QUANTIZED["gptq"]
    files = {
        **phi3_files(quantization_config=settings, _name_or_path="/home/x/m"),
        "README.md": CARD,
    }
    assert f"which its files name: {ORIGINAL};" in refusals(tmp_path, files, capsys)


def test_no_original_is_made_up(tmp_path: Path, capsys) -> None:
    settings, _ = QUANTIZED["awq"]
    files = phi3_files(quantization_config=settings, _name_or_path="/data/models/phi")
    assert "fix:   choose the unquantized original;" in refusals(tmp_path, files, capsys)


def test_a_quantizer_that_wrote_a_file_of_its_own(tmp_path: Path, capsys) -> None:
    files = {**phi3_files(), "quantize_config.json": b'{"bits": 4}'}
    said = refusals(tmp_path, files, capsys)
    assert "weights are quantized (GPTQ)" in said and "quantize_config.json" in said


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_git_lfs_pointer(name: str, tmp_path: Path, capsys) -> None:
    said = refusals(tmp_path, {**phi3_files(), name: POINTER}, capsys)
    assert f"{name} is a git-lfs pointer" in said and "git lfs pull" in said
    assert str(tmp_path / "mine" / name) in said


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_template_that_cannot_be_used(case: str, tmp_path: Path, capsys) -> None:
    text, reason = TEMPLATES[case]
    said = refusals(tmp_path, with_template(text), capsys)
    assert reason in said and "tokenizer_config.json: chat_template" in said and "fix:" in said


def test_a_template_in_a_file_of_its_own_is_named_by_it(tmp_path: Path, capsys) -> None:
    text, reason = TEMPLATES["syntax"]
    files = {**phi3_files(), "chat_template.jinja": f"\n{text}".encode()}
    said = refusals(tmp_path, files, capsys)
    assert reason in said and f"{tmp_path / 'mine' / 'chat_template.jinja'}:5" in said


def test_no_template_at_all(tmp_path: Path, capsys) -> None:
    said = refusals(tmp_path, {**phi3_files(), "tokenizer_config.json": b"{}"}, capsys)
    assert "has no chat template" in said and "instruct version" in said


def test_a_template_that_only_processors_read(tmp_path: Path, capsys) -> None:
    files = {**phi3_files(), "tokenizer_config.json": b"{}", "chat_template.json": b'{"a": "b"}'}
    said = refusals(tmp_path, files, capsys)
    assert "chat_template.json" in said and "save its text as chat_template.jinja" in said


def test_a_template_without_a_system_turn_is_no_reason_to_refuse(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", with_template(NO_SYSTEM))
    assert check_template(folder).render(TURNS, to_answer=True).startswith("<|user|>")


@pytest.mark.parametrize("own_file", [False, True])
def test_the_date_is_pinned_in_the_projects_copy(own_file: bool, tmp_path: Path, capsys) -> None:
    files = with_template(DATED)
    if own_file:  # and an older one in the settings, which ONNX Runtime GenAI would read
        files = {**with_template(CHATML), "chat_template.jinja": DATED.encode()}
    folder = write(tmp_path / "mine", files)
    words = ["new", str(tmp_path / "proj"), "--algo", "lora", "--target", "cpu", "--task", "qa"]
    assert main(VERBS, [*words, "--model", str(folder)]) == 0
    assert "the project's copy always writes 26 July 2024" in capsys.readouterr().out
    assert main(VERBS, ["model", "--project", str(tmp_path / "proj")]) == 0
    assert "the project's copy always writes 26 July 2024" in capsys.readouterr().out
    base = tmp_path / "proj" / "model-cache" / "base"
    settings = json.loads((base / "tokenizer_config.json").read_text())
    template = template_file.read_template(base)
    assert template.text == settings["chat_template"]
    assert "Today Date: 26 Jul 2024<|end|>" in template.render(TURNS, to_answer=True)
    assert "strftime_now(" not in template.text
    assert {name: (folder / name).read_bytes() for name in files} == files  # the user's own


def test_a_variable_that_nobody_sets_is_named(tmp_path: Path, capsys) -> None:
    guarded = "{% if persona is defined %}{{ persona }}{% endif %}{{ bos_token }}"
    template = f"{{{{ tone }}}}{{% set name = 'x' %}}{{{{ name }}}}{guarded}{CHATML}"
    folder = write(tmp_path / "mine", with_template(template))
    (note,) = template_file.template_notes(folder)
    assert "uses the variable 'tone', which is not set" in note
    project = project_for(tmp_path / "project", str(folder))
    assert main(VERBS, ["model", "--project", str(project.root)]) == 0
    assert note in capsys.readouterr().out


def test_pinning_changes_nothing_but_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.utils import chat_template_utils

    class Then(template_file.datetime):
        @classmethod
        def now(cls, tz=None):
            return template_file.PINNED

    monkeypatch.setattr(chat_template_utils, "datetime", Then)
    turns = [*TURNS, {"role": "assistant", "content": "b"}]
    (own,), _ = chat_template_utils.render_jinja_template([turns], chat_template=DATED)
    monkeypatch.undo()
    pinned = template_file.pinned(DATED)
    assert chat_template_utils.render_jinja_template([turns], chat_template=pinned)[0] == [own]
    assert template_file.pinned(CHATML) == CHATML


def sentence_piece_only(**config: object) -> dict[str, bytes]:
    files = {**phi3_files(**config), "tokenizer.model": b"\n\x0e\n\x05<unk>"}
    del files["tokenizer.json"]
    return files


def test_a_sentencepiece_model_alone(tmp_path: Path, capsys) -> None:
    said = refusals(tmp_path, sentence_piece_only(), capsys)
    assert "(tokenizer.model) and no tokenizer.json" in said
    assert "where MODEL is the model that this one was made from" in said


def test_the_remedy_for_a_sentencepiece_model_works(tmp_path: Path, capsys) -> None:
    """The command in the message is run as it stands, against a hub."""
    original = "someone/original"
    said = refusals(tmp_path, sentence_piece_only(_name_or_path=original), capsys)
    remedy = shlex.split(said.partition("fix:")[2].strip())
    assert remedy[0] == "hf"
    with HubServer() as hub:
        hub.add(original).commit(phi3_files())
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf-home")}
        tool = str(Path(sys.executable).with_name("hf"))
        done = subprocess.run(
            [tool, *remedy[1:]], env={**os.environ, **environment}, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine" / "tokenizer.json").read_bytes() == phi3_files()["tokenizer.json"]
    words = ["new", str(tmp_path / "proj"), "--algo", "lora", "--target", "cpu", "--task", "qa"]
    assert main(VERBS, [*words, "--model", str(tmp_path / "mine")]) == 0
