"""`phi3scaffold set`: values change by name, all else stays, and what is wrong is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from phi3scaffold.__main__ import VERBS
from phi3scaffold.checks import setting_change
from phi3scaffold.cli import main
from phi3scaffold.project.setting_names import SHORT_NAMES
from tests.checks.lint.helpers import found

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OLIVE, DATASET, PROJECT = "fine-tuning/olive-config.json", "datasets/dataset.yaml", "project.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = Path(shutil.copytree(EXAMPLES / "phrase-tone", tmp_path / "proj"))
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "80")
    return root


@pytest.fixture
def texts(project: Path) -> Callable[[], dict[str, str]]:
    """The text of each file that `set` may change."""
    return lambda: {name: (project / name).read_text() for name in (OLIVE, DATASET, PROJECT)}


def run_set(*words: str) -> int:
    return main(VERBS, ["set", *words])


def changed(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ, as they were and as they are."""
    lines = zip(before.splitlines(), after.splitlines(), strict=True)
    return [(old.strip(" ,"), new.strip(" ,")) for old, new in lines if old != new]


def test_values_change_in_all_files_and_nothing_else(
    texts: Callable[[], dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = texts()
    assert run_set("epochs=5", "rank=32", "lr=1e-4", "size_mb=120", "long_rows=truncate") == 0
    after = texts()
    assert changed(before[OLIVE], after[OLIVE]) == [
        ('"r": 16', '"r": 32'),
        ('"num_train_epochs": 3', '"num_train_epochs": 5'),
        ('"learning_rate": 0.002', '"learning_rate": 0.0001'),
    ]
    assert changed(before[PROJECT], after[PROJECT]) == [("size_mb: null", "size_mb: 120")]
    assert changed(before[DATASET], after[DATASET]) == [("long_rows: drop", "long_rows: truncate")]
    printed = capsys.readouterr().out
    assert "r 16 -> 32" in printed
    number = 1 + after[OLIVE].splitlines().index('      "r": 32,')
    assert f"{OLIVE}:{number}: r" in printed


def test_a_new_rank_tells_what_alpha_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that keeps the proportion of a new project."""
    del project
    assert run_set("rank=64") == 0
    note = "note: alpha is still 32; a new project has 128: phi3scaffold set alpha=128"
    assert note in capsys.readouterr().out.splitlines()
    assert run_set("rank=32", "alpha=64") == 0
    assert run_set("rank=16") == 0 and run_set("alpha=32", "epochs=2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "note" in line] == [
        "note: alpha is still 64; a new project has 32: phi3scaffold set alpha=32"
    ]


def test_a_name_of_two_settings_names_both_and_either_is_set(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_set("minutes=5") == 2
    assert "one of: evaluate.minutes, optimize.minutes" in capsys.readouterr().err
    for name in ("evaluate", "optimize"):
        assert run_set(f"{name}.minutes=5") == 0
        assert yaml.safe_load((project / PROJECT).read_text())[name]["minutes"] == 5
    assert run_set("--help", "optimize.minutes") == 0
    assert "minutes that the search may take" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("epoch=5", "did you mean epochs?"),
        ("learning_rat=1", "did you mean learning_rate?"),
        ("epochs=x", "a number above 0"),
        ("epochs=NaN", "a number above 0"),
        ("rank=1.5", "a whole number"),
        ("lora_dropout=1", "below 1"),
        ("use_cpu=yes", "true or false"),
        ("gate=0.1", "is a group"),
        ("gate.agreement=2", "agreement"),
        ("evaluate.rows=0", "at least 1"),
        ("tracking=5", "tracking"),
        ("task=clas", "Unknown task"),
        ("labels=[joy]", "two labels"),
        ("type=Rtn", "passes.quantize.type"),
        ("passes.merge.type=Rtn", "No pass for the stage merge"),
        ("epochs", "epochs=VALUE"),
        ("max_tokens=0", "at least 1"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(
    word: str,
    message: str,
    texts: Callable[[], dict[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = texts()
    assert run_set("alpha=64", "seed=1", word) == 2
    assert message in capsys.readouterr().err
    assert texts() == before


def test_a_disk_that_fails_leaves_all_files_as_they_were(
    texts: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    before = texts()
    replace, times = Path.replace, []

    def fail_once(path: Path, target: Path) -> Path:
        times.append(target)
        if len(times) == 2:
            raise OSError(28, "No space left on device", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_once)
    assert run_set("rank=32", "max_tokens=100", "size_mb=9") == 2
    assert len(times) == 2
    assert texts() == before
    assert [path.name for path in project.rglob(".*.json.*")] == []


def test_keys_that_are_not_there_are_added(project: Path) -> None:
    assert run_set("merge_base=nf4", "adapters.mine=gen-model/adapter") == 2  # for QLoRA alone
    assert run_set("adapters.mine=gen-model/adapter", "gradient_checkpointing=true") == 0
    content = yaml.safe_load((project / PROJECT).read_text())
    assert content["adapters"] == {"mine": "gen-model/adapter"}
    passes = json.loads((project / OLIVE).read_text())["passes"]
    assert passes["finetune"]["training_args"]["gradient_checkpointing"] is True
    assert found(project, "settings") == []


def test_a_file_in_front_decides_between_equal_names(project: Path) -> None:
    assert run_set("seed=1", "finetune.seed=2") == 0
    assert yaml.safe_load((project / DATASET).read_text())["seed"] == 1
    arguments = json.loads((project / OLIVE).read_text())["passes"]["finetune"]["training_args"]
    assert arguments["seed"] == 2
    assert run_set("olive-config.json:cache_dir=gen-model/.work/c") == 0
    assert json.loads((project / OLIVE).read_text())["cache_dir"] == "gen-model/.work/c"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_and_a_null_stay(project: Path, newline: str) -> None:
    for name in (PROJECT, OLIVE):
        path = project / name
        path.write_bytes(path.read_bytes().replace(b"\n", newline.encode()))
    before = (project / PROJECT).read_bytes()
    assert run_set("agreement=null", "batch=8") == 0
    assert (project / PROJECT).read_bytes() == before.replace(b"agreement: 0.9", b"agreement: null")
    assert (project / OLIVE).read_bytes().count(b"\r\n") == (
        (project / OLIVE).read_bytes().count(b"\n") if newline == "\r\n" else 0
    )


def test_what_was_wrong_before_does_not_stand_in_the_way(project: Path) -> None:
    path = project / PROJECT
    path.write_text(path.read_text() + "unknown_key: 1\n")
    assert run_set("agreement=0.8") == 0
    assert yaml.safe_load(path.read_text())["gate"]["agreement"] == 0.8


def test_every_short_name_and_every_documented_setting_is_found(project: Path) -> None:
    settings = setting_change.ProjectSettings(project)
    for short, key in SHORT_NAMES.items():
        place = settings.find(short)
        assert place.name.endswith(key)
        assert settings.doc(place), short
    undocumented = {
        place.name
        for place in settings.places
        if place.file != OLIVE and settings.value(place) is not None and not settings.doc(place)
    }
    assert undocumented == {"evaluate", "gate"} & undocumented


def test_help_of_a_setting(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    assert run_set("--help", "lr", "size_mb") == 0
    printed = capsys.readouterr().out
    assert "learning_rate (lr)" in printed
    assert "lower it if the loss jumps" in " ".join(printed.split())  # of fine-tuning/README.md
    assert "Size of the ONNX form on disk" in printed  # of evaluation/limits.py
    assert max(map(len, printed.splitlines())) <= 80
    assert run_set("--help", "epoch") == 2
    assert "did you mean epochs?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        run_set("--help")
    assert ended.value.code == 0
    assert "KEY=VALUE" in capsys.readouterr().out


def test_without_settings_it_lists_them(
    capsys: pytest.CaptureFixture[str], texts: Callable[[], dict[str, str]]
) -> None:
    before = texts()
    assert run_set() == 0
    printed = capsys.readouterr().out
    assert "finetune.learning_rate (lr): 0.002" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert texts() == before
