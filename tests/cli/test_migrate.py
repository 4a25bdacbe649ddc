"""`phi3scaffold migrate` as typed: what it prints, its exit code, what it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold import migration
from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.ui import migration_report
from phi3scaffold.datasets.spec import load_spec
from tests.support.hub_server import HubServer
from tests.template.conftest import without_git

SAMPLES = Path(__file__).parents[1] / "migration" / "samples"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> int:
    with without_git():
        return main(VERBS, ["migrate", *words])


def test_it_prints_every_field_and_the_next_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SAMPLES / "local-0.6.json"), "proj", "--model", "tiny", "--no-git") == 0
    told = capsys.readouterr().out
    assert "local-0.6.json: 51 fields: " in told
    assert "fine-tuning/olive-config.json:\n  kept: " in told
    assert "\n   44  lora_r -> r = 8\n" in told
    assert "--model tiny was given: model_name (6)" in told
    assert "Look at these" not in told
    assert len(told.splitlines()) < 60
    assert "classify with lora, tiny (a demonstration model), int4 ONNX for cpu" in told
    assert "make finetune" in told
    assert Path("proj/project.yaml").is_file()


def test_the_folder_has_a_name_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SAMPLES / "messy.json"), "--no-git") == 0
    told = capsys.readouterr().out
    assert "   15  passes.lora.lora_r stands here a second time" in told
    assert (
        "a placeholder; not needed: everything is written below gen-model/: output_dir (17)" in told
    )
    assert told.index("Look at these:") < told.index("Dropped:")
    assert Path("messy-project/project.yaml").is_file()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SAMPLES / "local-0.6.json"), "proj", "--no-git", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["fields"]) == 51
    assert {"name", "line", "fate", "at", "value", "why", "look"} == set(told["fields"][0])


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.name)
@pytest.mark.parametrize("width", [80, 120])
def test_each_field_is_told_at_its_line_on_any_terminal(sample: Path, width: int) -> None:
    old = migration.read(sample)
    plan = migration.plan(old)
    told = list(migration_report.lines(old, plan, width))
    text = "\n".join(told)
    for outcome in plan.outcomes:
        assert outcome.name.rpartition(".")[2] in text
        assert re.search(rf"\b{outcome.line}\b", text), outcome
    long = [line for line in told if len(line) > width and " " in line.strip()]
    assert all(len(max(line.split(), key=len)) > width - 10 for line in long)


@pytest.mark.parametrize(
    ("text", "words", "wanted"),
    [
        ('{\n  "passes": {}\n  "host": 1\n}', [], ["old.json:2", "comma"]),
        ('{\n  "passes": {"r": <r>}\n}', ["--check"], ["old.json:2", "<r>"]),
        ('{"passes": {}}', ["--algo", "ia3"], ["--algo", "ia3"]),
        ('{"passes": {}}', ["--data", "none.jsonl"], ["none.jsonl", "does not exist"]),
        ('{"passes": {}}', ["--model", "nobody"], ["nobody"]),
        (
            '{"passes": {"b": {"type": "ModelBuilder", "precision": "fp16"}}}',
            [],
            ["--precision", "CPU"],
        ),
    ],
)
def test_mistakes_leave_nothing(
    text: str, words: list[str], wanted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("old.json").write_text(text, encoding="utf-8")
    assert run("old.json", "proj", "--no-git", *words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    for part in wanted:
        assert part in told.err
    assert [path.name for path in Path().iterdir()] == ["old.json"]


def test_a_folder_that_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    Path("proj").mkdir()
    Path("proj/mine").write_text("mine", encoding="utf-8")
    assert run(str(SAMPLES / "local-0.6.json"), "proj") == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in Path("proj").iterdir()] == ["mine"]


HUB_CONFIG = {
    "data_configs": [
        {
            "name": "rows",
            "type": "HuggingfaceContainer",
            "load_dataset_config": {"data_name": "owner/codes", "split": "train[:75%]"},
            "pre_process_data_config": {"text_template": "### {ask}\n### Code: {code}"},
        }
    ],
    "passes": {"lora": {"type": "LoRA", "train_data_config": "rows"}},
}


def test_rows_of_the_hub(tmp_path: Path) -> None:
    """They stay there, at their commit; the columns have names that nothing would guess."""
    Path("old.json").write_text(json.dumps(HUB_CONFIG), encoding="utf-8")
    with HubServer() as hub:
        rows = "".join(json.dumps({"ask": f"add {n}", "code": f"x + {n}"}) + "\n" for n in range(9))
        commit = hub.add("datasets/owner/codes").commit({"rows.jsonl": rows.encode()})
        env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf-home")}
        words = ("migrate", "old.json", "proj", "--no-git")
        done = subprocess.run(
            [sys.executable, "-m", "phi3scaffold", *words], env=env, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    spec = load_spec(Path("proj/datasets/dataset.yaml"))
    assert spec.train == (f"hf://datasets/owner/codes@{commit}/rows.jsonl",)
    assert (spec.task, spec.user, spec.assistant) == ("qa", "### {ask}\n### Code:", "{code}")
    assert spec.held_out == 0.25


def test_a_part_of_a_data_set_of_the_hub(tmp_path: Path) -> None:
    """By its card, or by the folder of that name; an unknown part is refused."""
    config = json.loads(json.dumps(HUB_CONFIG))
    config["data_configs"][0]["load_dataset_config"]["subset"] = "rust"
    Path("old.json").write_text(json.dumps(config), encoding="utf-8")
    rows = json.dumps({"ask": "add", "code": "x"}).encode() + b"\n"
    files = {"rust/rows.jsonl": rows, "perl/rows.jsonl": rows}
    with HubServer() as hub:
        commit = hub.add("datasets/owner/codes").commit(files)
        env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf-home")}
        words = [sys.executable, "-m", "phi3scaffold", "migrate", "old.json", "proj", "--no-git"]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    spec = load_spec(Path("proj/datasets/dataset.yaml"))
    assert spec.train == (f"hf://datasets/owner/codes@{commit}/rust/rows.jsonl",)
