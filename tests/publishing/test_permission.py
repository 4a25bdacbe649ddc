"""What is not published: everything that did not pass the gate as it lies there now."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from phi3scaffold.conversion.adapter_file import normalize_config
from phi3scaffold.conversion.form_files import project_prompt
from phi3scaffold.models.base_model import Base
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import StatCache
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.publishing.file_list import gather
from phi3scaffold.reporting import run_record


def made_again(folder: Path) -> None:
    """Let the manifest say what lies in the folder, as a stage would that made it."""
    cache = StatCache(folder / "none")
    found = json.loads((folder / manifest.NAME).read_text())
    entries = manifest.list_files(folder, cache)
    found["files"] = {name: asdict(entry) for name, entry in entries.items()}
    (folder / manifest.NAME).write_text(json.dumps(found))


def one_byte(project: Path) -> None:
    path = project / "gen-model/onnx/model.onnx.data"
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # a cache of hashes would not see it


def another_adapter(project: Path) -> None:
    path = project / "gen-model/adapter/adapter_model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # one weight is another
    made_again(path.parent)


def broken_gate(project: Path) -> None:
    path = project / "gen-model/release/release.json"
    found = json.loads(path.read_text())
    found["released"] = False
    found["checks"][0] |= {"verdict": "failed", "value": 1.5}
    path.write_text(json.dumps(found))
    made_again(path.parent)


def unknown_gate(project: Path) -> None:
    broken_gate(project)
    path = project / "gen-model/release/release.json"
    found = json.loads(path.read_text())
    found["checks"][0] |= {"verdict": "unknown", "value": None, "why": "one row decides it"}
    path.write_text(json.dumps(found))
    made_again(path.parent)


def forged_gate(project: Path) -> None:
    broken_gate(project)
    path = project / "gen-model/release/release.json"
    path.write_text(path.read_text().replace('"released": false', '"released": true'))


def stricter(project: Path) -> None:
    path = project / "project.yaml"
    path.write_text(path.read_text().replace("over_majority: 0.05", "over_majority: 0.99"))


def secret(project: Path) -> None:
    say(project, "Our key is hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH")


def password(project: Path) -> None:
    say(project, 'Say password = "aBcDeFgHiJ9" to get in')


def say(project: Path, system: str) -> None:
    """In the system turn: prompt.json goes up."""
    path = project / "gen-model/onnx/prompt.json"
    found = json.loads(path.read_text())
    found["system"] = system
    path.write_text(json.dumps(found, indent=1))
    as_if_measured(project)


def as_if_measured(project: Path) -> None:
    """Let the ONNX form, as it lies there, be the one that the gate released."""
    made_again(project / "gen-model/onnx")
    for name in ("evaluation", "release", "report"):
        note = project / "gen-model" / name / manifest.NAME
        told = json.loads(note.read_text())
        told["inputs"].pop("stage:export", None)
        for stage in ("evaluate", "gate"):
            told["inputs"].pop(f"stage:{stage}", None)
        note.write_text(json.dumps(told))


def as_if_read(project: Path) -> None:
    """Let everything be made from the rows and settings as they lie there."""
    for note in project.glob(f"gen-model/*/{manifest.NAME}"):
        told = json.loads(note.read_text())
        for name in told["inputs"]:
            if (project / name).is_file():
                told["inputs"][name] = hashlib.sha256((project / name).read_bytes()).hexdigest()
        note.write_text(json.dumps(told))


def as_if_of_base(project: Path, name: str) -> None:
    """Let the adapter, as it lies there, be the one that was measured, over that base."""
    made_again(project / "gen-model/adapter")
    path = project / "gen-model/evaluation/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": name}))
    made_again(path.parent)
    for note in project.glob(f"gen-model/*/{manifest.NAME}"):
        told = json.loads(note.read_text())
        for stage in ("finetune", "evaluate"):
            told["inputs"].pop(f"stage:{stage}", None)
        note.write_text(json.dumps(told))


def other_rows(project: Path) -> None:
    path = project / "datasets/held-out.jsonl"
    path.write_text(path.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")


def prepared_anew(project: Path) -> None:
    (project / "gen-model/data/report.json").write_text("{}")
    made_again(project / "gen-model/data")


def another_base(project: Path) -> None:
    path = project / "project.yaml"
    path.write_text(path.read_text().replace('id: "tiny"', 'id: "phi-3.5-mini"'))


def gone(name: str) -> Callable[[Path], None]:
    return lambda project: shutil.rmtree(project / "gen-model" / name)


CASES: list[tuple[str, Callable[[Path], None], str]] = [
    ("no form", gone("onnx"), "The onnx form was not made yet"),
    ("not measured", gone("evaluation"), "The forms were not evaluated"),
    ("not looked at", gone("release"), "The release thresholds were not checked"),
    ("no card", gone("report"), "There is no model card"),
    ("gate broken", broken_gate, "The gate failed"),
    ("gate unknown", unknown_gate, "gate passes: truncated_answers: one row decides it."),
    ("gate forged", forged_gate, "release.json has changed since it was made"),
    ("limits changed", stricter, "The limits have changed"),
    ("a byte of a form", one_byte, "model.onnx.data has changed"),
    (
        "another adapter",
        another_adapter,
        "result of finetune has changed since evaluate read it",
    ),
    ("other rows", other_rows, "held-out.jsonl has changed since the stage data read it"),
    ("prepared anew", prepared_anew, "The result of data has changed since evaluate read it"),
    ("another base", another_base, "names another base model now; this was made from tiny"),
    (
        "a place",
        lambda project: say(project, f"Look into {project}/datasets."),
        "holds a folder of this machine",
    ),
    ("a secret", secret, "likely secret: access key (Hugging Face)"),
    ("a password", password, "likely secret: password"),
    (
        "half a form",
        lambda project: (project / "gen-model/onnx/model.onnx").unlink(),
        "The onnx form is not whole",
    ),
    (
        "a card by hand",
        lambda project: (project / "gen-model/report/MODEL_CARD.md").write_text("# 100%"),
        "MODEL_CARD.md has changed",
    ),
    (
        "numbers by hand",
        lambda project: (project / "gen-model/evaluation/metrics.json").write_text("{}"),
        "metrics.json has changed",
    ),
]


@pytest.mark.parametrize(
    ("change", "says"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_it_is_refused(project: Path, change: Callable[[Path], None], says: str) -> None:
    change(project)
    with pytest.raises(ScaffoldError) as refused:
        gather(load_project(project), ["onnx", "adapter"])
    assert says in str(refused.value)
    assert refused.value.fix
    assert "aBcDeFgHiJ" not in str(refused.value)


def test_what_a_job_in_the_cloud_had(project: Path) -> None:
    """Its rows and the lock of its base may be others than those here, which then do not go up."""
    other_rows(project)
    (project / "model.lock").write_text((project / "model.lock").read_text() + "\n")
    path = project / "project.yaml"
    path.write_text(path.read_text().replace("target: cpu", "target: aml"))
    assert gather(load_project(project), ["onnx", "adapter"]).files
    with pytest.raises(ScaffoldError, match=r"held-out\.jsonl has changed"):
        gather(load_project(project), ["onnx"], with_data=True)


def test_a_form_that_is_not_chosen_may_be_gone(project: Path) -> None:
    gone("merged")(project)
    found = gather(load_project(project), ["onnx"])
    assert found.forms == ("onnx",)
    assert set(found.others) == {"adapter"}


def test_the_notice_of_the_base_goes_along(project: Path) -> None:
    (project / "model-cache/base").mkdir(parents=True)
    (project / "model-cache/base/LICENSE").write_text("MIT License. Copyright Somebody.")
    whole = gather(load_project(project), ["onnx"]).with_readme("ann/tones")
    found = {file.name: file.content for file in whole.files}
    assert found["LICENSE"] == b"MIT License. Copyright Somebody."
    assert b"licence (MIT) also applies to this model: `LICENSE`" in found["README.md"]


def test_a_folder_of_this_machine_is_not_told(tiny_project: Path, tmp_path: Path) -> None:
    """A base model that is a folder is named by its path in project.yaml, and nowhere else."""
    project = Path(shutil.copytree(tiny_project, tmp_path / "tones"))
    path = project / "project.yaml"
    path.write_text(path.read_text().replace('id: "tiny"', 'id: "/home/annxlee/models/my_base"'))
    (project / "model.lock").unlink()
    found = load_project(project)
    assert project_prompt(found).model == "my_base"
    assert run_record.read_run(found, {}).model == "my_base"
    config = tmp_path / "adapter_config.json"
    modules = ["qkv_proj", "down_proj"]
    config.write_text(
        json.dumps(
            {
                "base_model_name_or_path": str(found.base),
                "r": 4,
                "target_modules": modules,
                "exclude_modules": None,
            }
        )
    )
    normalize_config(config, Base.of(found))
    assert json.loads(config.read_text()) == {
        "base_model_name_or_path": "my_base",
        "revision": None,
        "r": 4,
        "target_modules": sorted(modules),
        "exclude_modules": None,
    }


def test_what_was_made_names_no_folder_of_this_machine(tiny_project: Path) -> None:
    for form in ("adapter", "merged", "onnx"):
        for file in (tiny_project / "gen-model" / form).rglob("*"):
            assert str(tiny_project).encode() not in file.read_bytes(), file


def test_a_file_that_is_written_to_while_it_goes_up(project: Path) -> None:
    [weights] = [
        file
        for file in gather(load_project(project), ["onnx"]).files
        if file.name == "onnx/model.onnx.data"
    ]
    weights.check_unchanged()
    one_byte(project)
    weights.check_unchanged()  # the time of change was put back: plain HTTP would see it
    os.utime(project / "gen-model/onnx/model.onnx.data")
    with pytest.raises(ScaffoldError, match="has changed"):
        weights.check_unchanged()
    (project / "gen-model/onnx/model.onnx.data").unlink()
    with pytest.raises(ScaffoldError, match="has changed since it was made, or is gone"):
        weights.check_unchanged()
