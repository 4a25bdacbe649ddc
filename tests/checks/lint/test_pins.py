"""L16: requirements that are not the runtime's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phi3scaffold.targets.registry import TARGETS
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, everything, fixed, found, one

FILES = [
    ("cpu", "setup/requirements.txt", "torch"),
    ("aml", "setup/conda.yaml", "mlflow-skinny"),
    ("directml", "setup/requirements-infer.txt", "onnxruntime-directml"),
    ("cpu", "inferences/requirements-adapter.txt", "peft"),
]


def repin(root: Path, name: str, package: str, version: str) -> int:
    path = root / name
    lines = path.read_text(encoding="utf-8").splitlines()
    (number,) = (n for n, line in enumerate(lines) if re.match(rf"[ -]*{package}==", line))
    lines[number] = re.sub("==[^ ;]+", f"=={version}", lines[number])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return number + 1


@pytest.mark.parametrize("target", TARGETS)
def test_a_new_project_is_clean(make: Make, target: str) -> None:
    assert found(make(target=target), "pins") == []


@pytest.mark.parametrize(("target", "name", "package"), FILES)
def test_another_version_is_found_and_mended(
    make: Make, target: str, name: str, package: str
) -> None:
    root = make(target=target)
    before = (root / name).read_text(encoding="utf-8")
    line = repin(root, name, package, "0.0.1")
    finding = one(root, "pins")
    assert (finding.state, finding.where) == ("error", f"{name}:{line}")
    assert finding.what.startswith(f"{package}==0.0.1 is not what the runtime is proved with")
    fixed(root)
    assert (root / name).read_text(encoding="utf-8") == before
    assert everything(root) == []


def test_a_pin_that_is_missing(make: Make) -> None:
    root = make()
    path = root / "setup" / "requirements.txt"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub("torch==.*\n", "", text), encoding="utf-8")
    assert one(root, "pins").where == "setup/requirements.txt"
    fixed(root)
    assert found(root, "pins") == []


def test_packages_of_ones_own_are_welcome(make: Make) -> None:
    root = make()
    append(root, "setup/requirements.txt", "pandas==3.0.0\n")
    append(root, "inferences/requirements-onnx.txt", "flask==3.0\n")
    assert found(root, "pins") == []


def test_without_a_wheel_nothing_is_compared(make: Make) -> None:
    root = make()
    next((root / "setup").glob("*.whl")).unlink()
    repin(root, "setup/requirements.txt", "torch", "1.0")
    assert found(root, "pins") == []
