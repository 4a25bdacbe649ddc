"""Two trained adapters over one int4 base, by the verbs a user types."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.project.settings import load_project
from tests.conftest import command

ROWS = 40
TEXT = "I could not stop smiling all day."


def name_adapters(root: Path, adapters: dict[str, str]) -> None:
    """Replace what project.yaml says of adapters, which stands at its end."""
    path = root / "project.yaml"
    kept = path.read_text(encoding="utf-8").partition("\nadapters:")[0]
    path.write_text(f"{kept}\nadapters: {json.dumps(adapters)}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def swapping(
    tiny_project: Path, tiny_qlora_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The LoRA project with its own adapter and the QLoRA project's."""
    root = tmp_path_factory.mktemp("adapters") / "proj"
    shutil.copytree(tiny_project, root)
    other = tiny_qlora_project / "gen-model" / "adapter"
    name_adapters(root, {"tone": "gen-model/adapter", "other": str(other)})
    command("adapters", cwd=root)
    return root


def right(form: Form, root: Path) -> float:
    """The share of right answers to the first held-out rows."""
    rows = Prepared(root / "gen-model" / "data", HELD_OUT)
    turns = [rows.conversation(row).messages for row in range(ROWS)]
    said = form.generate([form.encode(messages[:-1]) for messages in turns], 8)
    pairs = zip(said, turns, strict=True)
    return sum(form.decode(ids).strip() == turn[-1]["content"] for ids, turn in pairs) / ROWS


def test_each_adapter_is_about_as_right_as_under_peft(
    swapping: Path, tiny_qlora_project: Path
) -> None:
    for name, trained in (("tone", swapping), ("other", tiny_qlora_project)):
        with open_form("adapter", load_project(trained)) as form:
            expected = right(form, swapping)
        with open_form("onnx-adapter", load_project(swapping), adapter=name) as form:
            assert right(form, swapping) >= expected - 0.1
        assert expected > 0.7  # of six labels: it has learned something
    with open_form("onnx", swapping / "gen-model" / "onnx-adapter", prompt=form.prompt) as base:
        assert right(base, swapping) < 0.5


def test_infer_answers_with_the_adapter_that_was_named(swapping: Path) -> None:
    def answer(*words: str) -> dict:
        form = ("--form", "onnx-adapter", *words)
        return json.loads(command("infer", *form, "--json", TEXT, cwd=swapping).stdout)

    first = answer()
    assert first["adapter"] == "tone" and first["answer"] == "joy"
    assert answer("--adapter", "other")["adapter"] == "other"
    done = command(
        "infer", "--form", "onnx-adapter", "--adapter", "x", TEXT, cwd=swapping, check=False
    )
    assert done.returncode == 2
    assert "no adapter 'x'; there are: other, tone" in done.stderr


def test_the_form_imports_no_training_package(swapping: Path) -> None:
    code = (
        "import sys\n"
        "from phi3scaffold.project.settings import find_project\n"
        "from phi3scaffold.inference.forms import open_form\n"
        "with open_form('onnx-adapter', find_project()) as form:\n"
        "    form.generate([form.encode(form.prompt.messages('hi'))], 3)\n"
        "heavy = {'torch', 'transformers', 'peft', 'olive', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=swapping, check=True)


def test_the_base_is_made_once_for_any_adapters(swapping: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(swapping, root)
    made = root / "gen-model" / "onnx-adapter"
    before = (made / "model.onnx.data").stat().st_ino
    assert "adapters: up to date" in command("adapters", cwd=root).stdout
    name_adapters(root, {"tone": "gen-model/adapter"})
    assert "adapters: done" in command("adapters", cwd=root).stdout
    assert [path.name for path in (made / "adapters").iterdir()] == ["tone"]
    assert (made / "model.onnx.data").stat().st_ino == before
    name_adapters(root, {})
    done = command("adapters", cwd=root, check=False)
    assert done.returncode == 2 and "nothing to do for adapters" in done.stderr


def test_an_adapter_of_another_base_is_refused(swapping: Path, tmp_path: Path) -> None:
    root, other = tmp_path / "proj", tmp_path / "other"
    shutil.copytree(swapping, root)
    shutil.copytree(root / "gen-model" / "adapter", other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["facts"]["base_weights"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))
    name_adapters(root, {"other": str(other)})
    done = command("adapters", cwd=root, check=False)
    assert done.returncode == 2
    assert "The adapter other was trained over another base model" in done.stderr
    assert (root / "gen-model" / "onnx-adapter" / "adapters" / "tone").is_dir()


def test_what_is_wrong_is_said_before_anything_runs(tiny_project: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(tiny_project, root, ignore=shutil.ignore_patterns("gen-model"))
    name_adapters(root, {"tone": "gen-model/adapter", "far": "../nowhere"})
    done = command("run", cwd=root, check=False)
    assert done.returncode == 2 and not done.stdout
    assert "The adapter far is not there" in done.stderr
    olive = root / "fine-tuning" / "olive-config.json"
    kept = olive.read_text(encoding="utf-8")
    olive.write_text(kept.replace('"type": "LoRA"', '"type": "DoRA"'), encoding="utf-8")
    done = command("run", cwd=root, check=False)
    assert done.returncode == 2 and "this project trains by DoRA" in done.stderr
    olive.write_text(kept, encoding="utf-8")
    settings = (root / "project.yaml").read_text(encoding="utf-8")
    (root / "project.yaml").write_text(settings.replace("target: cpu", "target: directml"))
    done = command("run", cwd=root, check=False)
    assert done.returncode == 2 and "cannot be swapped on DirectML" in done.stderr
