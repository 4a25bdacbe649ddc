"""L14: an answers file that an update could not work with."""

from __future__ import annotations

import subprocess

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, found, one

ANSWERS = ".copier-answers.yml"
BROKEN = [
    ("_src_path: phi3scaffold://template.git", "_src_path: /home/me/template", "_src_path"),
    ("algo: lora", "algo: lorra", "algo"),
    ("task: classify", "task: classify\nflavour: mild", "flavour"),
]


@pytest.mark.parametrize(("old", "new", "key"), BROKEN)
def test_what_was_edited(make: Make, old: str, new: str, key: str) -> None:
    root = make()
    assert found(root, "answers") == []
    line = change(root, ANSWERS, old, new) + new.count("\n")
    finding = found(root, "answers")[0]
    assert (finding.state, finding.where) == ("error", f"{ANSWERS}:{line}: {key}")
    assert finding.fix == f"git checkout {ANSWERS}"


def test_answers_of_another_version_are_left_alone(make: Make) -> None:
    """Its questions are not ours: an answer that we do not know is no mistake."""
    root = make()
    text = (root / ANSWERS).read_text(encoding="utf-8")
    version = next(line for line in text.splitlines() if line.startswith("_commit"))
    change(root, ANSWERS, version, "_commit: v99.0.0\ncolour: blue")
    assert found(root, "answers") == []


def test_no_version_and_no_file(make: Make) -> None:
    root = make()
    text = (root / ANSWERS).read_text(encoding="utf-8")
    (root / ANSWERS).write_text(text.replace("_commit: v", "_commit: x"), encoding="utf-8")
    assert str(one(root, "answers").where).endswith(": _commit")
    (root / ANSWERS).unlink()
    assert (one(root, "answers").state, one(root, "answers").where) == ("warning", ANSWERS)


def test_what_the_project_has_become_by_hand_is_noted(make: Make) -> None:
    root = make()
    change(root, "fine-tuning/olive-config.json", '"type": "LoRA"', '"type": "DoRA"')
    finding = one(root, "answers")
    assert finding.state == "note"
    assert finding.fix == "phi3scaffold update --set algo=dora"


def test_changed_since_git_knows_it(make: Make) -> None:
    root = make()
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    assert found(root, "answers") == []
    append(root, ANSWERS, "# mine\n")
    assert one(root, "answers").state == "warning"
