"""L17: files that are not for editing."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, everything, fixed, found, one

FILES = [
    "fine-tuning/user_script.py",
    "setup/setup.sh",
    "setup/setup.ps1",
    "setup/constraints.txt",
    "setup/requirements.lock",
    "setup/requirements-infer.lock",
]


@pytest.mark.parametrize("name", FILES)
def test_an_edit_is_found_at_its_line_and_taken_back(make: Make, name: str) -> None:
    root = make(target="directml")
    assert found(root, "as_generated") == []
    before = (root / name).read_text(encoding="utf-8")
    mode = (root / name).stat().st_mode
    line = append(root, name, "# mine\n")
    finding = one(root, "as_generated")
    assert (finding.state, finding.where) == ("warning", f"{name}:{line}")
    diff = fixed(root)
    assert "\n-# mine\n" in diff
    assert (root / name).read_text(encoding="utf-8") == before
    assert (root / name).stat().st_mode == mode
    assert everything(root) == []


def test_what_is_missing_is_written_again(make: Make) -> None:
    root = make()
    path = root / "fine-tuning" / "user_script.py"
    before = path.read_bytes()
    path.unlink()
    assert one(root, "as_generated").state == "error"
    fixed(root)
    assert path.read_bytes() == before


def test_the_version_that_looks_does_not_matter(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared is with the project's own wheel, not with the template of whoever looks."""
    from phi3scaffold.generator import template

    root = make()
    monkeypatch.setattr(template, "folder", lambda: root / "nowhere")
    change(root, ".copier-answers.yml", "_commit: v", "_commit: v9.")
    assert found(root, "as_generated") == []


@pytest.mark.parametrize("name", ["Makefile", "README.md", "inferences/onnx.py"])
def test_the_rest_is_the_users(make: Make, name: str) -> None:
    root = make()
    append(root, name, "# mine\n")
    assert found(root, "as_generated") == []
