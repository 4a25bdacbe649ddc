"""L12: a form that asks or stops in another way than it was trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.checks.lint.prompt import _base_stops
from tests.checks.lint.helpers import change, found, one
from tests.support.random_models import FEATURES, config_json
from tests.support.random_tokenizers import byte_level, sentence_piece_like
from tests.support.tokenizer_kinds import ByteLevelKind


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def test_a_trained_project_is_clean(tiny_project: Path) -> None:
    assert found(tiny_project, "prompt") == []


BROKEN = [
    ("onnx", "genai_config.json", lambda c: c["model"].update(eos_token_id=[2549]), "eos_token_id"),
    ("merged", "generation_config.json", lambda c: c.update(eos_token_id=2549), "eos_token_id"),
    ("adapter", "prompt.json", lambda c: c.update(stop=[2549]), "stop"),
    ("merged", "prompt.json", lambda c: c.update(stop=[]), "stop"),
    ("onnx", "tokenizer.json", lambda c: c["added_tokens"].pop(), ""),
]


@pytest.mark.parametrize(("form", "name", "broken", "key"), BROKEN)
def test_the_form_is_named(
    tiny_copy: Path, form: str, name: str, broken: Callable[[dict[str, Any]], None], key: str
) -> None:
    edit(tiny_copy / "gen-model" / form / name, broken)
    finding = one(tiny_copy, "prompt")
    assert finding.state == "error"
    assert str(finding.where).startswith(f"gen-model/{form}/{name}")
    assert str(finding.where).endswith(key)


def test_dataset_yaml_has_changed_since(tiny_copy: Path) -> None:
    change(tiny_copy, "datasets/dataset.yaml", "system: null", 'system: "Be brief."')
    findings = found(tiny_copy, "prompt")
    assert {finding.state for finding in findings} == {"warning"}
    assert [finding.where for finding in findings] == [
        f"gen-model/{form}/prompt.json: system" for form in ("adapter", "merged", "onnx")
    ]


@pytest.mark.parametrize("name", ["phi-3.5-mini", "phi-4-mini", "phi-3-medium-4k"])
def test_the_light_way_to_the_stop_tokens_is_the_runtimes(name: str, tmp_path: Path) -> None:
    """For each kind of tokenizer and chat template of the catalogue."""
    from phi3scaffold.models.chat_template import load_tokenizer, stop_ids

    features = FEATURES[name]
    if isinstance(features.tokenizer, ByteLevelKind):
        byte_level(tmp_path, features.vocab, features.template, features.tokenizer)
    else:
        sentence_piece_like(tmp_path, features.template, features.tokenizer)
    (tmp_path / "config.json").write_text(json.dumps(config_json(features)))
    (tmp_path / "generation_config.json").write_text(f'{{"eos_token_id": {features.eos_id}}}')
    assert set(_base_stops(tmp_path)) == set(stop_ids(load_tokenizer(tmp_path), tmp_path))
