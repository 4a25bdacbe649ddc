"""Projects made of old configs: what stands in them, and that Olive takes them without a word."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.generator import legacy
from phi3scaffold.generator.legacy.make import with_settings
from phi3scaffold.project import load_project
from phi3scaffold.rows.spec import DatasetSpec, load_spec
from tests.template.conftest import without_git

SAMPLES = Path(__file__).with_name("samples")
CHECK = Path(__file__).parents[2] / "template" / "olive_check.py"
CONFIGS = sorted([*SAMPLES.glob("*.json"), *SAMPLES.glob("*.yaml")])


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The name of the old config -> the project."""
    folder = tmp_path_factory.mktemp("migrated")
    made = {}
    with without_git():
        for path in CONFIGS:
            made[path.name] = folder / path.stem
            plan = legacy.plan(legacy.read(path))
            legacy.migrate(plan, made[path.name], git=False, wheel=False)
    return made


def config(root: Path) -> dict[str, Any]:
    return json.loads((root / "fine-tuning" / "olive-config.json").read_text(encoding="utf-8"))


def rows(root: Path) -> DatasetSpec:
    return load_spec(root / "datasets" / "dataset.yaml")


def test_olive_takes_every_one_without_a_warning(migrated: dict[str, Path], tmp_path: Path) -> None:
    """And their own tests pass."""
    pytest.importorskip("olive")
    done = subprocess.run(
        [sys.executable, str(CHECK), str(tmp_path / "found.json"), *map(str, migrated.values())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == {root.name: [] for root in migrated.values()}


def test_every_setting_stands_where_it_was_said_to(migrated: dict[str, Path]) -> None:
    for path in CONFIGS:
        for at, value in legacy.plan(legacy.read(path)).values.items():
            file, _, key = at.partition(": ")
            if file != "fine-tuning/olive-config.json":
                continue
            found: Any = config(migrated[path.name])
            for part in key.split("."):
                found = found[part]
            assert found == value, (path.name, at)


def test_the_users_rows_and_turns(migrated: dict[str, Path]) -> None:
    spec = rows(migrated["local-0.6.json"])
    assert [path.name for path in spec.files] == ["tones.jsonl"]
    assert (spec.task, spec.labels) == ("classify", ("calm", "joy", "sad"))
    assert spec.user == "### Say the tone of: {phrase}\n### Tone:"
    assert (spec.assistant, spec.held_out, spec.max_tokens) == ("{tone}", 0.25, 128)


def test_a_system_text_and_a_second_file(migrated: dict[str, Path]) -> None:
    spec = rows(migrated["toolkit-0.7.json"])
    assert spec.system == "Answer briefly."
    assert [path.name for path in spec.train if isinstance(path, Path)] == ["questions.jsonl"]
    assert isinstance(spec.held_out, tuple)
    assert [Path(path).name for path in spec.held_out] == ["more.jsonl"]


def test_files_by_split(migrated: dict[str, Path]) -> None:
    spec = rows(migrated["flat-0.9.json"])
    assert isinstance(spec.held_out, tuple)
    assert [Path(path).name for path in spec.held_out] == ["more.jsonl"]
    assert (spec.user, spec.assistant) == ("{Question}", "{Best Answer}")


def test_sample_rows_stand_in_for_rows_in_the_cloud(migrated: dict[str, Path]) -> None:
    spec = rows(migrated["azure-0.6.json"])
    assert spec.task == "qa"
    assert spec.files
    assert not isinstance(spec.held_out, float)
    plan = legacy.plan(legacy.read(SAMPLES / "azure-0.6.json"))
    assert "datasets/dataset.yaml: files.held_out" not in plan.values
    assert load_project(migrated["azure-0.6.json"]).target == "aml"


def test_a_split_of_its_own_is_better_than_a_share(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for name in ("train", "test"):
        shutil.copyfile(SAMPLES / "rows" / "tones.jsonl", tmp_path / "rows" / f"{name}.jsonl")
    plan = legacy.plan(legacy.read(SAMPLES / "local-0.6.json"), {"data": str(tmp_path / "rows")})
    said: list[str] = []
    with without_git():
        legacy.migrate(plan, tmp_path / "proj", git=False, wheel=False, say=said.append)
    assert said[1] == "held out are rows/test.jsonl, and no share of 0.25"
    assert not isinstance(rows(tmp_path / "proj").held_out, float)


def test_a_base_that_is_not_in_nf4(migrated: dict[str, Path]) -> None:
    project = load_project(migrated["toolkit-0.3.json"])
    assert project.merge_base == "original"
    assert config(project.root)["passes"]["finetune"]["quant_type"] == "fp4"


def test_rows_that_lack_a_column(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"phrase": "a", "mood": "b"}\n', encoding="utf-8")
    plan = legacy.plan(
        legacy.read(SAMPLES / "local-0.6.json"), {"data": str(tmp_path / "rows.jsonl")}
    )
    with pytest.raises(ScaffoldError, match="tone") as caught:
        legacy.migrate(plan, tmp_path / "proj", git=False, wheel=False)
    assert "rows.jsonl:1" in str(caught.value.where)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


TEXT = """{
  "a": {
    "b": 1,
    "list": ["x", "y"]
  },
  "c": {"d": true}
}
"""


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, TEXT),
        ({("a", "b"): 2}, TEXT.replace("1", "2")),
        ({("a", "list"): ["z"]}, TEXT.replace('["x", "y"]', '["z"]')),
        ({("a", "new"): 0.5}, TEXT.replace('"y"]', '"y"],\n    "new": 0.5')),
        (
            {("a", "e", "f"): False, ("a", "g"): "h"},
            TEXT.replace('"y"]', '"y"],\n    "e": {"f": false},\n    "g": "h"'),
        ),
        ({("c", "d"): False, ("a", "b"): 3}, TEXT.replace("true", "false").replace("1", "3")),
    ],
)
def test_settings_change_nothing_else(settings: dict[tuple[str, ...], Any], wanted: str) -> None:
    assert with_settings(TEXT, settings) == wanted
