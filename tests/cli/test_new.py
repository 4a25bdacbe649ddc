"""`phi3scaffold new`: what is asked, what is refused, what is said at the end."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.ui.new_summary import next_steps
from phi3scaffold.generator import template
from tests.support.phi3_files import phi3_files, write

GIVEN = ("--algo", "lora", "--target", "cpu", "--task", "qa")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and no terminal."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def small_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for tiny's weights, so that a test copies bytes and not megabytes."""
    from phi3scaffold.models import catalogue

    folder = tmp_path / "tiny-stand-in"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["Phi3ForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(catalogue, "tiny_folder", lambda: folder)
    return folder


def model_folder(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


PHI3 = """{
  "architectures": ["Phi3ForCausalLM"], "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
  "num_hidden_layers": 1, "num_attention_heads": 1
}"""
GPT2 = '{"architectures": ["GPT2LMHeadModel"]}'

# options, what the message must hold
REFUSED: list[tuple[str, list[str], list[str]]] = [
    ("algo", ["--algo", "ia3"], ["--algo", "'ia3'", "lora, qlora, dora, loha, lokr"]),
    ("algo that cannot run", ["--algo", "loftq"], ["--algo", "NVIDIA GPU", "use qlora"]),
    ("target", ["--target", "rocm"], ["--target", "cpu, cuda, directml, aml, arc"]),
    ("task", ["--task", "translate"], ["--task", "classify, qa, chat"]),
    ("precision", ["--precision", "int2"], ["--precision", "int4, int8, fp16, fp32"]),
    ("model name", ["--model", "gpt-2"], ["'gpt-2'", "`phi3scaffold models`"]),
    ("model empty", ["--model", ""], ["--model", "missing"]),
    ("model missing", ["--model", "./none"], ["does not exist"]),
    ("model without config", ["--model", "@empty"], ["no config.json"]),
    ("model of pickles", ["--model", "@pickles"], ["safetensors"]),
    ("model of another kind", ["--model", "@gpt2"], ["GPT2LMHeadModel"]),
    ("cpu fp16", ["--precision", "fp16"], ["--precision", "CPU"]),
    ("quantizer", ["--quantizer", "awq"], ["--quantizer", "rtn, kquant, gptq"]),
    ("quantizer of fp32", ["--precision", "fp32", "--quantizer", "rtn"], ["--quantizer", "Fp32"]),
    ("recipe", ["--recipe", "good"], ["--recipe", "default, fast, best, auto"]),
    ("recipe of fp32", ["--precision", "fp32", "--recipe", "best"], ["--recipe", "no effect"]),
    ("data missing", ["--data", "none.jsonl"], ["none.jsonl", "does not exist"]),
    ("data empty", ["--data", "@empty.jsonl"], ["empty.jsonl", "holds no rows"]),
    ("data not JSON", ["--data", "@broken.jsonl"], ["broken.jsonl:3", "Not valid JSON"]),
    ("data without a column", ["--data", "@lacks.jsonl"], ["lacks.jsonl:2", "'answer'"]),
    ("data of another task", ["--data", "@tones.jsonl"], ["phrase, tone", "--task classify"]),
    ("one label", ["--task", "classify", "--data", "@one.jsonl"], ["only one label", "'joy'"]),
]


@pytest.mark.parametrize(("name", "options", "says"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_input(
    name: str, options: list[str], says: list[str], tmp_path: Path, capsys: Any
) -> None:
    """One clear message, exit code 2, no traceback, nothing left behind."""
    made = {
        "@empty": lambda: model_folder(tmp_path / "empty", {}),
        "@pickles": lambda: model_folder(
            tmp_path / "pickles", {"config.json": PHI3, "pytorch_model.bin": "x"}
        ),
        "@gpt2": lambda: model_folder(tmp_path / "gpt2", {"config.json": GPT2}),
    }
    rows = {
        "@empty.jsonl": "",
        "@broken.jsonl": '{"question": "a", "answer": "b"}\n\n{"question": \n',
        "@lacks.jsonl": '{"question": "a", "answer": "b"}\n{"question": "a"}\n',
        "@tones.jsonl": '{"phrase": "a", "tone": "joy"}\n{"phrase": "b", "tone": "fear"}\n',
        "@one.jsonl": '{"phrase": "a", "tone": "joy"}\n{"phrase": "b", "tone": "joy"}\n',
    }
    words = []
    for word in options:
        if word in rows:
            path = tmp_path / word[1:]
            path.write_text(rows[word])
            word = str(path)
        words.append(made[word]() if word in made else word)
    assert main(VERBS, ["new", "deep/proj", *GIVEN, *words]) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "Traceback" not in error
    for part in says:
        assert part in error
    assert not list(Path.cwd().iterdir())


def test_a_folder_in_use(capsys: Any) -> None:
    Path("proj").mkdir()
    Path("proj/mine").write_text("x")
    assert main(VERBS, ["new", "proj", "--defaults"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in Path("proj").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ('quo"te', "contains a double quote"),
        ("it's", "contains a single quote"),
        ("tick`s", "contains a backquote"),
        ("dol$lar", "contains a dollar sign"),
        ("back\\slash", "contains a backslash"),
        ("bra{ce", "contains a brace"),
        ("co:lon", "contains a colon"),
        ("a*b", "contains *, which Windows does not allow"),
        ("new\nline", "contains the character U+000A, which cannot be seen"),
        ("zero\u200bwidth", "contains the character U+200B"),
        ("space ", "ends with a space"),
        ("dot.", "ends with a dot"),
    ],
)
def test_a_bad_name_says_why(name: str, reason: str, capsys: Any) -> None:
    assert main(VERBS, ["new", name, "--defaults"]) == 2
    error = capsys.readouterr().err
    assert reason in error and "letters, digits, dots, dashes" in error
    assert not list(Path.cwd().iterdir())


def test_a_name_that_looks_like_an_option(capsys: Any) -> None:
    assert main(VERBS, ["new", "--defaults", "--", "-rf"]) == 2
    assert "would read it as an option" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my proj", "Größe-1", "v1.2_final", "a&b (2)", "50%#1"])
def test_other_letters_make_a_project(name: str) -> None:
    assert main(VERBS, ["new", name, "--defaults", "--no-git"]) == 0
    assert main(VERBS, ["lint", "--project", name]) == 0


def test_missing_answers_are_named(capsys: Any) -> None:
    assert main(VERBS, ["new", "proj", "--target", "cpu"]) == 2
    error = capsys.readouterr().err
    assert "--algo --task are missing" in error
    assert "--defaults" in error
    assert not Path("proj").exists()


def test_defaults(capsys: Any) -> None:
    assert main(VERBS, ["new", "proj", "--defaults", "--no-git"]) == 0
    assert not Path("proj/.git").exists()
    text = Path("proj/project.yaml").read_text()
    assert "microsoft/Phi-3-mini-4k-instruct" in text
    said = capsys.readouterr().out
    assert "cd proj" in said
    assert "make finetune" in said


def test_data_is_copied_and_the_guess_is_said(tmp_path: Path, capsys: Any) -> None:
    data = tmp_path / "my rows.csv"
    data.write_text("instruction,input,output\nAdd.,1 2,3\nUpper.,a,A\n")
    assert main(VERBS, ["new", "proj", *GIVEN, "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "`instruction` and `input` as the question, `output` as the answer" in said
    assert Path("proj/datasets/my-rows.csv").read_bytes() == data.read_bytes()
    assert sorted(path.name for path in Path("proj/datasets").iterdir()) == [
        "dataset.yaml",
        "my-rows.csv",
    ]
    text = Path("proj/datasets/dataset.yaml").read_text()
    assert '"{instruction}\\n{input}"' in text
    assert "held_out: 0.2" in text


def test_tiny_brings_its_weights(small_tiny: Path, capsys: Any) -> None:
    assert main(VERBS, ["new", "proj", *GIVEN, "--model", "tiny"]) == 0
    assert "demonstration model" in capsys.readouterr().out
    base = Path("proj/model-cache/base")
    assert (base / "model.safetensors").read_bytes() == b"weights"
    tracked = subprocess.run(
        ["git", "ls-files"], cwd="proj", capture_output=True, text=True, check=True
    ).stdout
    assert "model-cache/base" not in tracked
    assert ".whl" not in tracked  # it carries them
    assert "model-cache/README.md" in tracked


def test_a_local_model(tmp_path: Path) -> None:
    folder = str(write(tmp_path / "mine", phi3_files()))
    assert main(VERBS, ["new", "proj", *GIVEN, "--model", os.path.relpath(folder)]) == 0
    assert folder in Path("proj/project.yaml").read_text()


def test_short_names_become_hub_ids() -> None:
    assert main(VERBS, ["new", "proj", *GIVEN, "--model", "phi-4-mini"]) == 0
    assert "microsoft/Phi-4-mini-instruct" in Path("proj/project.yaml").read_text()


def test_help_lists_every_choice(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(VERBS, ["new", "--help"])
    said = capsys.readouterr().out
    for question in template.questions().values():
        assert question.flag in said
        assert all(choice in said for choice in question.choices)


@pytest.mark.parametrize("target", ["cpu", "cuda", "directml", "aml", "arc"])
@pytest.mark.parametrize("windows", [False, True])
def test_next_steps(target: str, windows: bool) -> None:
    steps = "\n".join(next_steps(Path("my proj"), target, windows=windows))
    assert ("make" in steps) is not windows
    # The verb `finetune` stops at the adapter; `infer --form onnx` needs the whole pipeline.
    assert (r".venv\Scripts\phi3scaffold run" in steps) is windows
    assert "--local" not in steps
    assert (".venv-infer" in steps) is (windows and target == "directml")
    assert ("'my proj'" in steps) or ('"my proj"' in steps)


def test_settings_of_training_are_written(
    small_tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--model", "tiny", "--no-git", "--epochs", "2.5", "--rank", "4", "--lr", "3e-4")
    assert main(VERBS, ["new", "proj", *GIVEN, *words]) == 0
    assert "2.5 epochs" in capsys.readouterr().out
    config = json.loads(Path("proj/fine-tuning/olive-config.json").read_text())
    training = config["passes"]["finetune"]
    assert (training["r"], training["alpha"]) == (4, 8)
    assert training["training_args"]["num_train_epochs"] == 2.5
    assert training["training_args"]["learning_rate"] == 0.0003


@pytest.mark.parametrize("words", [("--epochs", "0"), ("--rank", "1.5"), ("--lr", "fast")])
def test_settings_that_training_cannot_have_are_refused(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(VERBS, ["new", "proj", *GIVEN, *words])
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err
    assert not Path("proj").exists()
