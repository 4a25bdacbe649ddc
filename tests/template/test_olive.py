"""Every emitted config passes Olive's own validation without a single ignored key.

Importing Olive takes seconds, so one process looks at all of them, and runs each project's own
tests as `make test` would.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold import generator
from tests.template.conftest import Made, choices, without_git

CHECK = Path(__file__).with_name("olive_check.py")
PRECISIONS = [("cpu", "int8"), ("cpu", "fp32"), ("cuda", "int8"), ("cuda", "fp16"),
              ("cuda", "fp32"), ("directml", "fp16")]  # fmt: skip
QUANTIZERS = [{"recipe": recipe} for recipe in choices("recipe") if recipe != "default"]
QUANTIZERS += [{"quantizer": quantizer} for quantizer in choices("quantizer")]


@pytest.fixture(scope="module")
def findings(
    rendered: dict[tuple[str, ...], Made], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """Project name -> what Olive or the project's tests complain about."""
    pytest.importorskip("olive")
    # the config is the same for every task: each algo and target once, the tasks in turn
    tasks = itertools.cycle(choices("task"))
    roots = [
        rendered[algo, target, next(tasks)].root
        for algo, target in itertools.product(choices("algo"), choices("target"))
    ]
    folder = tmp_path_factory.mktemp("precisions")
    with without_git():
        pairs = [{"target": target, "precision": precision} for target, precision in PRECISIONS]
        for answers in pairs + QUANTIZERS:
            root = folder / "-".join(answers.values())
            roots.append(generator.new(root, answers | {"task": "qa"}, git=False, wheel=False))
        broken = generator.new(folder / "broken", {"task": "qa"}, git=False, wheel=False)
    path = broken / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text())
    config["passes"]["finetune"]["lora_r"] = 8
    config["passes"]["finetune"]["training_args"]["group_by_length"] = True
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, str(CHECK), str(folder / "found.json"), *map(str, roots), str(broken)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "found.json").read_text())


def test_olive_accepts_every_config(findings: dict[str, list[str]]) -> None:
    combinations = len(choices("algo")) * len(choices("target"))
    assert len(findings) == combinations + len(PRECISIONS) + len(QUANTIZERS) + 1
    complaints = {name: found for name, found in findings.items() if found and name != "broken"}
    assert not complaints


def test_the_check_itself_works(findings: dict[str, list[str]]) -> None:
    """Olive does warn about these, and so the project's own tests fail."""
    found = "\n".join(findings["broken"])
    assert "lora_r" in found
    assert "group_by_length" in found
    assert "test_olive_knows_every_key" in found
