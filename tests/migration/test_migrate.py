"""Projects made of old configs: what stands in them, and that Olive takes them without a word."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import migration
from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.spec import DatasetSpec, load_spec
from phi3scaffold.models.hub_errors import HubError
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.targets.azureml import job_checks
from phi3scaffold.targets.azureml.job_run import place_rows
from phi3scaffold.targets.azureml.workspace_settings import read_settings
from tests.template.conftest import without_git

SAMPLES = Path(__file__).with_name("samples")
CHECK = Path(__file__).parents[1] / "template" / "olive_check.py"
CONFIGS = sorted([*SAMPLES.glob("*.json"), *SAMPLES.glob("*.yaml")])


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The name of the old config -> the project."""
    folder = tmp_path_factory.mktemp("migrated")
    made = {}

    def find(*_: object) -> None:
        raise HubError("The hub is not asked by this test.", exit_code=FAILED_RUN)

    with without_git(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_hub, "find", find)
        for path in CONFIGS:
            made[path.name] = folder / path.stem
            plan = migration.plan(migration.read(path))
            migration.migrate(plan, made[path.name], git=False, wheel=False)
    return made


def config(root: Path) -> dict[str, Any]:
    return json.loads((root / "fine-tuning" / "olive-config.json").read_text(encoding="utf-8"))


def rows(root: Path) -> DatasetSpec:
    return load_spec(root / "datasets" / "dataset.yaml")


def test_olive_takes_every_one_without_a_warning(migrated: dict[str, Path], tmp_path: Path) -> None:
    """And their own tests pass."""
    pytest.importorskip("olive")
    roots = [str(root) for root in migrated.values()]
    (tmp_path / "wanted.json").write_text(json.dumps({"validate": roots, "test": roots}))
    done = subprocess.run(
        [sys.executable, str(CHECK), "wanted.json", "found.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "found.json").read_text())
    for what in ("validate", "test"):
        assert found[what] == {root.name: [] for root in migrated.values()}


def test_every_setting_of_azure_stands_where_it_was_said_to(migrated: dict[str, Path]) -> None:
    root = migrated["workspace-0.7.json"]
    values = migration.plan(migration.read(SAMPLES / "workspace-0.7.json")).values
    seen = 0
    for at, value in values.items():
        file, colon, key = at.partition(": ")
        if (
            not colon
            or not file.endswith((".yml", ".yaml"))
            or at.endswith(("turns", "model.path"))
        ):
            continue
        found: Any = yaml.safe_load((root / file).read_text(encoding="utf-8"))
        for part in key.split("."):
            found = found[part]
        assert found == value, at
        seen += 1
    assert seen == 15
    text = (root / "fine-tuning/job.yml").read_text(encoding="utf-8")
    assert "#   path: azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/9" in text


def test_the_job_of_an_old_workspace_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the checks before `submit`, with the workspace of the old file."""
    for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"):
        monkeypatch.delenv(name, raising=False)
    plan = migration.plan(migration.read(SAMPLES / "workspace-0.7.json"))
    with without_git():
        migration.migrate(plan, tmp_path / "proj", git=False)
    project = load_project(tmp_path / "proj")
    assert project.target == "arc"
    job = job_checks.read_job(project)
    assert job["inputs"]["rows"]["type"] == "uri_file"
    settings = read_settings(project)
    assert (settings.workspace, settings.key_vault) == ("tuning-space", "tuning-vault")
    assert settings.hf_token_secret == "hf-token"


def test_rows_that_stay_in_azure(migrated: dict[str, Path]) -> None:
    """Nothing is copied; the job finds its one file under the name that dataset.yaml says."""
    root = migrated["workspace-0.7.json"]
    spec = rows(root)
    assert [Path(path).name for path in spec.train] == ["train-data.jsonl"]
    assert not list((root / "datasets").glob("*.jsonl"))
    assert (spec.task, spec.held_out) == ("qa", 0.3)
    assert (spec.user, spec.assistant) == ("{Question}", "{Best Answer}")
    given = root.parent / "given.jsonl"
    given.write_text("{}", encoding="utf-8")
    copy = root.parent / "copy"
    shutil.copytree(root, copy)
    place_rows(load_project(copy), given)
    assert rows(copy).files[0].read_text(encoding="utf-8") == "{}"


def test_rows_in_azure_need_turns_and_a_task_that_needs_no_look(tmp_path: Path) -> None:
    content = json.loads((SAMPLES / "workspace-0.7.json").read_text(encoding="utf-8"))
    old = tmp_path / "old.json"
    old.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ScaffoldError, match="look at the rows"):
        migration.migrate(
            migration.plan(migration.read(old), {"task": "classify"}), tmp_path / "proj"
        )
    del content["data_configs"][0]["pre_process_data_config"]
    old.write_text(json.dumps(content), encoding="utf-8")
    plan = migration.plan(migration.read(old))
    assert plan.cloud is None
    [path] = [one for one in plan.outcomes if one.name.endswith("relative_path")]
    assert "text_template" in path.why
    assert path.look
    for given in ({"data": "mine.jsonl"}, {"target": "cpu"}):
        assert migration.plan(migration.read(SAMPLES / "workspace-0.7.json"), given).cloud is None


def test_a_datastore_of_another_workspace(tmp_path: Path) -> None:
    content = json.loads((SAMPLES / "workspace-0.7.json").read_text(encoding="utf-8"))
    files = content["data_configs"][0]["load_dataset_config"]["params"]["data_files"]["config"]
    files["azureml_client"]["workspace_name"] = "other-space"
    old = tmp_path / "old.json"
    old.write_text(json.dumps(content), encoding="utf-8")
    assert migration.plan(migration.read(old)).cloud == (
        "azureml://subscriptions/00000000-1111-2222-3333-444444444444/resourcegroups/tuning-group/"
        "workspaces/other-space/datastores/workspaceblobstore/paths/rows/train%20data.jsonl"
    )


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/one.jsonl", "b/one.jsonl"], ["one.jsonl", "more-one.jsonl"]),
        ("a/*.jsonl", ["one.jsonl", "two.jsonl"]),
        ({"train": ["a/two.jsonl", "b/one.jsonl"]}, ["two.jsonl", "one.jsonl"]),
        ("a", ["a/one.jsonl", "a/two.jsonl"]),
    ],
)
def test_several_files_of_rows(files: Any, names: list[str], tmp_path: Path) -> None:
    for name in ("a/one", "a/two", "b/one"):
        path = tmp_path / "rows" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"ask": "what is {name}?", "say": "{name}"}}\n', encoding="utf-8")
    load = {"data_name": "json", "data_files": files}
    texts = {"text_template": "{ask} {say}"}
    one = {"name": "x", "load_dataset_config": load, "pre_process_data_config": texts}
    old = tmp_path / "rows" / "old.json"
    old.write_text(json.dumps({"data_configs": [one], "passes": {}}), encoding="utf-8")
    with without_git():
        migration.migrate(
            migration.plan(migration.read(old)), tmp_path / "p", git=False, wheel=False
        )
    found = [path.relative_to(tmp_path / "p" / "datasets") for path in rows(tmp_path / "p").files]
    assert [path.as_posix() for path in found] == names


def test_every_setting_stands_where_it_was_said_to(migrated: dict[str, Path]) -> None:
    for path in CONFIGS:
        for at, value in migration.plan(migration.read(path)).values.items():
            file, _, key = at.partition(": ")
            if file != "fine-tuning/olive-config.json":
                continue
            found: Any = config(migrated[path.name])
            for part in key.split("."):
                found = found[part]
            assert found == value, (path.name, at)


def test_the_old_name_of_the_builder(migrated: dict[str, Path]) -> None:
    """Its precision is the project's, and what merged is the pass that merges."""
    passes = config(migrated["genai-0.5.json"])["passes"]
    assert list(passes) == ["finetune", "merge", "build"]
    assert (passes["build"]["type"], passes["build"]["precision"]) == ("ModelBuilder", "fp32")
    assert passes["merge"]["type"] == "MergeAdapterWeights"
    assert (passes["finetune"]["r"], passes["finetune"]["alpha"]) == (32, 64)


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


def test_the_system_text_of_llama_2(tmp_path: Path) -> None:
    """As a turn of its own, with a column of each row; the user's turn is the question alone."""
    content = json.loads((SAMPLES / "local-0.6.json").read_text(encoding="utf-8"))
    params = content["data_configs"][0]["pre_process_data_config"]["params"]
    params["text_template"] = "<s>[INST] <<SYS>>\nName {who}.\n<</SYS>>\n\n{ask} [/INST] {say} </s>"
    content["data_configs"][0]["load_dataset_config"]["params"]["data_files"] = "rows.jsonl"
    old = tmp_path / "old.json"
    old.write_text(json.dumps(content), encoding="utf-8")
    lines = [{"who": "a", "ask": f"what is {n}?", "say": f"it is {n} of {n}"} for n in range(30)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
    plan = migration.plan(migration.read(old))
    migration.migrate(plan, tmp_path / "proj", git=False, wheel=False)
    spec = rows(tmp_path / "proj")
    assert (spec.system, spec.user, spec.assistant) == ("Name {who}.", "{ask}", "{say}")


def test_files_by_split(migrated: dict[str, Path]) -> None:
    spec = rows(migrated["flat-0.9.json"])
    assert isinstance(spec.held_out, tuple)
    assert [Path(path).name for path in spec.held_out] == ["more.jsonl"]
    assert (spec.user, spec.assistant) == ("{Question}", "{Best Answer}")


@pytest.mark.parametrize("both", [False, True])
def test_validation_rows_validate(both: bool, tmp_path: Path) -> None:
    """They do not measure: held-out rows come from the test file, or from the training rows."""
    content = json.loads((SAMPLES / "flat-0.9.json").read_text(encoding="utf-8"))
    shutil.copytree(SAMPLES / "rows", tmp_path / "rows")
    shutil.copyfile(tmp_path / "rows" / "more.jsonl", tmp_path / "rows" / "test.jsonl")
    files = content["data_configs"][0]["load_dataset_config"]["data_files"]
    files |= {"validation": "rows/more.jsonl", "test": "rows/test.jsonl"}
    if not both:
        del files["test"]
    old = tmp_path / "old.json"
    old.write_text(json.dumps(content), encoding="utf-8")
    plan = migration.plan(migration.read(old))
    migration.migrate(plan, tmp_path / "proj", git=False, wheel=False)
    spec = rows(tmp_path / "proj")
    assert isinstance(spec.validation, tuple)
    assert [Path(path).name for path in spec.validation] == ["more.jsonl"]
    kept = spec.held_out
    held_out = [Path(path).name for path in kept] if isinstance(kept, tuple) else kept
    assert held_out == (["test.jsonl"] if both else 0.2)


def test_sample_rows_stand_in_for_rows_in_the_cloud(migrated: dict[str, Path]) -> None:
    spec = rows(migrated["azure-0.6.json"])
    assert spec.task == "qa"
    assert spec.files
    assert not isinstance(spec.held_out, float)
    plan = migration.plan(migration.read(SAMPLES / "azure-0.6.json"))
    assert "datasets/dataset.yaml: files.held_out" not in plan.values
    assert load_project(migrated["azure-0.6.json"]).target == "aml"


def test_sample_rows_stand_in_for_rows_of_a_hub_that_does_not_answer(
    migrated: dict[str, Path],
) -> None:
    root = migrated["inline-0.3.json"]
    assert (rows(root).user, rows(root).max_tokens) == ("{Question}", 1024)
    text = (root / "datasets" / "dataset.yaml").read_text(encoding="utf-8")
    assert "# Sample rows stand in for owner/codes" in text


def test_a_split_of_its_own_is_better_than_a_share(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for name in ("train", "test"):
        shutil.copyfile(SAMPLES / "rows" / "tones.jsonl", tmp_path / "rows" / f"{name}.jsonl")
    plan = migration.plan(
        migration.read(SAMPLES / "local-0.6.json"), {"data": str(tmp_path / "rows")}
    )
    said: list[str] = []
    with without_git():
        migration.migrate(plan, tmp_path / "proj", git=False, wheel=False, say=said.append)
    assert said[1] == "held out are rows/test.jsonl, and no share of 0.25"
    assert not isinstance(rows(tmp_path / "proj").held_out, float)


def test_a_base_that_is_not_in_nf4(migrated: dict[str, Path]) -> None:
    project = load_project(migrated["toolkit-0.3.json"])
    assert project.merge_base == "original"
    assert config(project.root)["passes"]["finetune"]["quant_type"] == "fp4"


def test_rows_that_lack_a_column(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"phrase": "a", "mood": "b"}\n', encoding="utf-8")
    plan = migration.plan(
        migration.read(SAMPLES / "local-0.6.json"), {"data": str(tmp_path / "rows.jsonl")}
    )
    with pytest.raises(ScaffoldError, match="tone") as caught:
        migration.migrate(plan, tmp_path / "proj", git=False, wheel=False)
    assert "rows.jsonl:1" in str(caught.value.where)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]
