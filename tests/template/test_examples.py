"""The examples are what the template emits today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from phi3scaffold.models import catalogue
from tests.template.conftest import without_git

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def files_of(folder: Path) -> dict[str, bytes]:
    """What git would keep: the base model and what is made from it are left out."""
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        made = relative.parts[0] in ("model-cache", "gen-model") and path.name != "README.md"
        if path.is_file() and not made and "__pycache__" not in relative.parts:
            found[relative.as_posix()] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def module() -> ModuleType:
    script = EXAMPLES / "regenerate.py"
    if not script.is_file():
        pytest.skip("the examples are not part of this tree")
    spec = importlib.util.spec_from_file_location("regenerate", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_has_the_command_of_each(module: ModuleType) -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name, answers in module.EXAMPLES.items():
        flags = " ".join(f"--{key} {value}" for key, value in answers.items())
        assert f"| `{name}/` | `phi3scaffold new {name} {flags}` |" in text


def test_no_drift(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{}")
    monkeypatch.setattr(catalogue, "tiny_folder", lambda: tmp_path / "weights")
    with without_git():
        module.regenerate(tmp_path / "anew")
    for name in module.EXAMPLES:
        kept, anew = files_of(EXAMPLES / name), files_of(tmp_path / "anew" / name)
        assert sorted(kept) == sorted(anew), name
        drifted = [path for path in kept if kept[path] != anew[path]]
        assert not drifted, f"{name}: python examples/regenerate.py"
