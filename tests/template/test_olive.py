"""Every emitted config passes Olive's own validation without a single ignored key, and the tests
inside generated projects pass where there is nothing but a project and what it brings.

Importing Olive takes seconds, so one process looks at all of them. It runs outside the repository;
the only phi3scaffold that it can import is the one that the projects' own wheels hold.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.generator.wheel import write_wheel
from tests.template.cases import name_of, selection
from tests.template.conftest import Made, without_git

CHECK = Path(__file__).with_name("olive_check.py")
# What the tests of a project can see.
SELECTED = [name_of(case) for case in selection(("algo", "task", "rows", "precision"))]


@pytest.fixture(scope="module")
def found(
    rendered: dict[str, Made], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, list[str]]]:
    """Project -> what Olive complains about and, of those selected, which of its tests fail."""
    pytest.importorskip("olive")
    folder = tmp_path_factory.mktemp("outside")
    shutil.copy(CHECK, folder)
    with zipfile.ZipFile(write_wheel(folder)) as wheel:
        wheel.extractall(folder / "installed")
    with without_git():
        broken = generator.new(folder / "broken", {"task": "qa"}, git=False, wheel=False)
    path = broken / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text())
    config["passes"]["finetune"]["lora_r"] = 8
    config["passes"]["finetune"]["training_args"]["group_by_length"] = True
    path.write_text(json.dumps(config))
    configs = {  # many projects have the same
        (one.root / "fine-tuning" / "olive-config.json").read_text(): one.root
        for one in rendered.values()
    }
    (folder / "wanted.json").write_text(
        json.dumps(
            {
                "validate": [str(root) for root in (*configs.values(), broken)],
                "test": [str(rendered[name].root) for name in SELECTED] + [str(broken)],
            }
        )
    )
    done = subprocess.run(
        [sys.executable, "olive_check.py", "wanted.json", "found.json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "found.json").read_text())


def complaints(said: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: lines for name, lines in said.items() if lines and name != "broken"}


def test_olive_accepts_every_config(found: dict[str, dict[str, list[str]]]) -> None:
    assert len(found["validate"]) > 40
    assert {
        name: said for name, said in found["validate"].items() if said and name != "broken"
    } == {}


def test_the_projects_own_tests_pass(found: dict[str, dict[str, list[str]]]) -> None:
    assert set(found["test"]) == {*SELECTED, "broken"}
    assert complaints(found["test"]) == {}


def test_they_ran_with_what_the_project_brings(found: dict[str, dict[str, list[str]]]) -> None:
    [package] = found["package"]["phi3scaffold"]
    assert Path(package).parts[-3:] == ("installed", "phi3scaffold", "__init__.py")


def test_the_check_itself_works(found: dict[str, dict[str, list[str]]]) -> None:
    """Olive does warn about these, and so the project's own tests fail."""
    said = "\n".join(found["validate"]["broken"])
    assert "lora_r" in said
    assert "group_by_length" in said
    assert "test_olive_knows_every_key" in "\n".join(found["test"]["broken"])
