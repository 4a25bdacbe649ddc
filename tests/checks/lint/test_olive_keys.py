"""L21: Olive itself is asked; once for a config."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from phi3scaffold.checks.lint import olive_keys
from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.project.findings import Skip
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import change, found, one

pytest.importorskip("olive")
OLIVE = "fine-tuning/olive-config.json"
KEYS = [
    ('"r": 16,', '"r": 16,\n      "lora_r": 8,', "passes.finetune.lora_r", "leaves it out"),
    ('"logging_steps": 1,', '"logging_steps": 1,\n"group_by_length": true,',
     "passes.finetune.training_args.group_by_length", "leaves it out"),
    ('"bits": 4,', '"bits": 3,', "passes.quantize.bits", "refuses it"),
    ('"host": "local",', '"host": "local",\n  "azureml_client": {"a": 1},',
     "azureml_client.a", "refuses it"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(olive_keys, "_answers", {})


@pytest.mark.parametrize(("old", "new", "key", "what"), KEYS)
def test_a_key_without_effect(make: Make, old: str, new: str, key: str, what: str) -> None:
    root = make()
    path = root / OLIVE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    line = text[: text.index(old)].count("\n") + 1 + new.count("\n")
    finding = one(root, "olive_keys")
    assert finding.state == "error"
    assert finding.where == f"{OLIVE}:{line}: {key}"
    assert what in finding.what
    assert finding.fix


def test_what_has_become_of_an_older_key(make: Make) -> None:
    root = make()
    change(root, OLIVE, '"alpha": 32,', '"lora_alpha": 32,')
    fix = one(root, "olive_keys").fix
    assert fix == "today it is fine-tuning/olive-config.json: passes.finetune.alpha"


def test_the_answer_is_kept_until_the_config_changes(make: Make) -> None:
    root = make()
    assert found(root, "olive_keys") == []
    cache = root / olive_keys.CACHE
    identity = json.loads(cache.read_text(encoding="utf-8"))["identity"]
    olive_keys._answers.clear()
    begun = time.monotonic()
    assert found(root, "olive_keys", quick=True) == []
    assert time.monotonic() - begun < 1
    change(root, OLIVE, '"alpha": 32,', '"alpha": 16,')
    with pytest.raises(Skip, match="--quick"):
        list(olive_keys.check(LintContext(root, quick=True)))
    assert found(root, "olive_keys") == []
    assert json.loads(cache.read_text(encoding="utf-8"))["identity"] != identity


def test_without_olive_it_is_skipped(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Skip, match="Olive is not installed here: make setup"):
        list(olive_keys.check(LintContext(make())))


def test_a_folder_that_cannot_be_written_to(make: Make) -> None:
    root = make()
    (Path(root) / olive_keys.CACHE).mkdir(parents=True)
    assert found(root, "olive_keys") == []
