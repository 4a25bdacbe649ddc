"""A model that can think before it answers does not, in the project's copy of its template."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.template_file import NO_THINKING, asks_for_thinking, read_template, settled
from phi3scaffold.models.template_trial import check_template
from tests.support.family_templates import LLAMA_3, QWEN3, SMOLLM3
from tests.support.phi3_files import project_for

QUESTION = [{"role": "user", "content": "a"}]


def with_template(folder: Path, text: str) -> Path:
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("text", [QWEN3, SMOLLM3])
def test_it_is_switched_off_and_said(text: str, tmp_path: Path, capsys) -> None:
    folder = with_template(tmp_path / "mine", text)
    note = "switches that off, for training and for answers alike"
    words = ["new", str(tmp_path / "new"), "--algo", "lora", "--target", "cpu", "--task", "qa"]
    assert main(VERBS, [*words, "--model", str(folder)]) == 0
    assert note in capsys.readouterr().out
    project = project_for(tmp_path / "project", str(folder))
    assert main(VERBS, ["model", "--project", str(project.root)]) == 0
    assert note in capsys.readouterr().out
    own = check_template(project.base)
    assert own.text.startswith(NO_THINKING)
    asked = own.render(QUESTION, to_answer=True)
    assert asked.rstrip().endswith("<think>\n\n</think>")
    answered = own.render([*QUESTION, {"role": "assistant", "content": "b"}], to_answer=False)
    assert answered.startswith(asked)
    assert read_template(folder).text == text  # the user's own


def test_once_is_enough_and_others_stay_as_they_are() -> None:
    assert asks_for_thinking(QWEN3) and asks_for_thinking(SMOLLM3)
    for text in (settled(QWEN3), settled(SMOLLM3), LLAMA_3):
        assert not asks_for_thinking(text)
        assert not settled(text).startswith(NO_THINKING * 2)
    assert not settled(LLAMA_3).startswith(NO_THINKING)


@pytest.mark.parametrize(
    ("test", "holds"),
    [("is false", True), ("is true", False), ("is not false", False), ("is  not\ntrue", True)],
)
def test_a_test_that_genai_does_not_know_is_decided(test: str, holds: bool) -> None:
    """ONNX Runtime GenAI fails on `is false`; `is defined` it knows."""
    text = f"{{% if enable_thinking is defined and enable_thinking {test} %}}x{{% endif %}}"
    word = "true" if holds else "false"
    assert settled(text) == (
        f"{NO_THINKING}{{% if enable_thinking is defined and {word} %}}x{{% endif %}}"
    )
