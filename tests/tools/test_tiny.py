"""The embedded model is what its papers say: its size, its tokenizer, its stated loss."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tiny_model.corpus import BANNED_STEMS, documents
from tiny_model.pretrain import (
    HELD_OUT_DOCUMENTS,
    HELD_OUT_SEED,
    TOKENIZER_DOCUMENTS,
    Recipe,
    blocks,
    encode,
    held_out_loss,
)

from phi3scaffold.models.catalogue import tiny_folder

MIB = 1 << 20


@pytest.fixture(scope="module")
def training() -> dict:
    return json.loads((tiny_folder() / "training.json").read_text(encoding="utf-8"))


def test_it_is_small() -> None:
    from safetensors import safe_open

    size = sum(file.stat().st_size for file in tiny_folder().iterdir())
    assert size <= 12 * MIB
    parameters = 0
    with safe_open(tiny_folder() / "model.safetensors", framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 (not a dict)
            part = weights.get_slice(name)
            assert part.get_dtype() == "BF16"
            count = 1
            for length in part.get_shape():
                count *= length
                assert length % 128 == 0
            parameters += count
    assert parameters <= 5_000_000


def test_it_is_a_phi3_with_its_control_tokens() -> None:
    config = json.loads((tiny_folder() / "config.json").read_text())
    assert config["architectures"] == ["Phi3ForCausalLM"]
    added = json.loads((tiny_folder() / "tokenizer.json").read_text())["added_tokens"]
    names = {token["content"] for token in added}
    assert {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"} <= names


def test_the_script_makes_the_tokenizer_byte_for_byte(tmp_path: Path) -> None:
    from tiny_model.model_files import build_tokenizer

    build_tokenizer(documents(Recipe().seed, TOKENIZER_DOCUMENTS), tmp_path)
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (tiny_folder() / made.name).read_bytes(), made.name


def test_the_weights_have_the_stated_loss(training: dict) -> None:
    import torch
    from transformers import Phi3ForCausalLM

    model = Phi3ForCausalLM.from_pretrained(tiny_folder(), dtype=torch.bfloat16)
    held_out = blocks(
        encode(tiny_folder(), documents(HELD_OUT_SEED, HELD_OUT_DOCUMENTS)), Recipe().block
    )
    assert held_out_loss(model, held_out) == pytest.approx(training["held_out_loss"], abs=0.01)


def test_the_recipe_is_the_scripts(training: dict) -> None:
    from dataclasses import asdict

    assert training["recipe"] == asdict(Recipe())


def test_the_label_words_are_not_in_its_text() -> None:
    banned = re.compile(rf"\b({'|'.join(BANNED_STEMS)})")
    for document in documents(Recipe().seed, 20_000):
        assert not banned.search(document.lower())
