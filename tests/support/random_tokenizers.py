"""Small tokenizers of the two kinds there are, with the real ids of the special tokens.

Both learn a few hundred merges from the text below; every id between those and the special tokens
is filled with a placeholder that no text can reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.tokenizer_kinds import (
    PHI_3,
    PHI_4,
    ByteLevelKind,
    SentencePieceLike,
    added_token,
)

TEXT = """
The weather was fine, and we walked down to the river before lunch. I am not angry with you at all.
She said she would call on Monday, but nobody answered the phone until late in the evening.
Question: why is the sky blue? Answer: because the air scatters short waves more than long ones.
He was afraid of the dark; still, he went down into the cellar, 3 steps at a time, and laughed.
I can't believe it's already 2026! We've been waiting for this train since half past seven.
The tone of the phrase is joy. The tone of the phrase is fear. It could be sadness or surprise.
Well... she said: "no!" (twice); see https://example.org/a/b, or call f(x, y); -- he left... "so?"
Well... he said: "yes!" (once); see https://example.org/c/d, or call g(x, y); -- they left... "so!"
"""
PIECES = 500
SCRIPTS = r"▁?[\p{L}\p{M}]+|\p{N}|▁?[^\p{L}\p{M}\p{N}▁]+|▁+"
FIRST_SPECIAL = 1000  # control tokens below it stand before the learned pieces


def sentence_piece_like(folder: Path, template: str, kind: SentencePieceLike = PHI_3) -> None:
    """Write Llama's tokenizer, with byte fallback."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    prepended = [normalizers.Prepend("▁")] if kind.prepends else []
    learner.normalizer = normalizers.Sequence([*prepended, normalizers.Replace(" ", "▁")])
    # As Llama's learned: no piece mixes letters with punctuation, and digits stand alone.
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(SCRIPTS), "isolated")
    learner.train_from_iterator(
        TEXT.strip().splitlines(), trainers.BpeTrainer(vocab_size=PIECES, show_progress=False)
    )
    learned = json.loads(learner.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].get)
    first = {token["content"]: token["id"] for token in kind.added if token["id"] < FIRST_SPECIAL}
    vocab = dict(sorted(first.items(), key=lambda pair: pair[1]))
    _fill(vocab, max(first.values()) + 1)
    vocab = dict(sorted(vocab.items(), key=lambda pair: pair[1]))
    vocab.update({f"<0x{byte:02X}>": len(vocab) + byte for byte in range(256)})
    for piece in pieces:
        vocab.setdefault(piece, len(vocab))
    _fill(vocab, kind.filled)
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if kind.prepends else []
    prepend = [{"type": "Prepend", "prepend": "▁"}] if kind.prepends else []
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(kind.added),
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                *prepend,
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                *strip,
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": learned["merges"],
        },
    }
    _save(
        folder,
        tokenizer,
        {
            "add_bos_token": False,
            "add_eos_token": False,
            "added_tokens_decoder": _decoder(kind.added),
            "bos_token": kind.bos,
            "chat_template": template,
            "clean_up_tokenization_spaces": False,
            "eos_token": kind.eos,
            "legacy": False,
            "model_max_length": 131072,
            "pad_token": kind.pad,
            "padding_side": "left",
            "sp_model_kwargs": {},
            "tokenizer_class": kind.tokenizer_class,
            "unk_token": "<unk>",
            "use_default_system_prompt": False,
        },
    )


def byte_level(folder: Path, vocab_size: int, template: str, kind: ByteLevelKind = PHI_4) -> None:
    """Write a byte-level BPE."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    words: list[Any] = [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ]
    if kind.split:
        words = [
            pre_tokenizers.Split(Regex(kind.split), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    split = pre_tokenizers.Sequence(words)
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = split
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        TEXT.strip().splitlines(),
        trainers.BpeTrainer(
            vocab_size=256 + PIECES, initial_alphabet=alphabet, show_progress=False
        ),
    )
    content = json.loads(learner.to_str())
    first = {token: number for token, number in kind.specials.items() if number < FIRST_SPECIAL}
    if first:  # the learned pieces come behind them
        content["model"]["vocab"] = dict(first) | {
            piece: number + len(first) for piece, number in content["model"]["vocab"].items()
        }
    vocab = content["model"]["vocab"]
    added = [
        added_token(
            number,
            token,
            lstrip=kind.strips,
            rstrip=kind.strips,
            special=token not in kind.plain,
        )
        for token, number in kind.specials.items()
    ]
    content["added_tokens"] = added
    # Ids between the special tokens stay unused, as on the hub; the vocabulary is padded to them.
    taken = set(kind.specials.values())
    vocab.update(
        {
            f"<unused_{number}>": number
            for number in range(len(vocab), vocab_size if first else max(taken))
            if number not in taken
        }
    )
    vocab.update(kind.specials)
    if kind.normal_form:
        content["normalizer"] = {"type": kind.normal_form}
    content["decoder"] = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    }
    content["post_processor"] = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": False,
        "use_regex": True,
    }
    if kind.bos_first:  # where special tokens are added, as no prompt here does
        content["post_processor"] = _bos_first(kind.bos, kind.specials[kind.bos])
    assert max(taken) < vocab_size
    _save(
        folder,
        content,
        {
            "add_bos_token": False,
            "add_eos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": _decoder(added),
            "bos_token": kind.bos,
            "chat_template": template,
            "clean_up_tokenization_spaces": False,
            "eos_token": kind.eos,
            "model_max_length": 131072,
            "pad_token": kind.pad,
            "tokenizer_class": kind.tokenizer_class,
            "unk_token": kind.pad,
        },
    )


def _fill(vocab: dict[str, int], upto: int) -> None:
    for number in range(len(vocab), upto):
        vocab[f"<unused_{number}>"] = number


def _decoder(added: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {str(entry["id"]): {k: v for k, v in entry.items() if k != "id"} for entry in added}


def _save(folder: Path, tokenizer: dict[str, Any], config: dict[str, Any]) -> None:
    (folder / "tokenizer.json").write_text(
        json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8"
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    (folder / "special_tokens_map.json").write_text(
        json.dumps({name: config[name] for name in names}, indent=2) + "\n", encoding="utf-8"
    )


def _bos_first(bos: str, number: int) -> dict[str, Any]:
    """Return Llama 3's post-processor."""
    template = {"SpecialToken": {"id": bos, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    known = {bos: {"id": bos, "ids": [number], "tokens": [bos]}}
    return {
        "type": "TemplateProcessing",
        "single": [template, text],
        "pair": [template, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": known,
    }
