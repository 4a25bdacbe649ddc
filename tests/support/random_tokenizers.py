"""Small tokenizers of the two kinds the catalogue has, with the real ids of the special tokens.

Both learn a few hundred merges from the text below; every id between those and the special tokens
is filled with a placeholder that no text can reach.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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

PHI3_SPECIALS = (
    "<|endoftext|>",
    "<|assistant|>",
    "<|placeholder1|>",
    "<|placeholder2|>",
    "<|placeholder3|>",
    "<|placeholder4|>",
    "<|system|>",
    "<|end|>",
    "<|placeholder5|>",
    "<|placeholder6|>",
    "<|user|>",
)
PHI3_FIRST = 32000
PHI4_SPECIALS = {
    "<|endoftext|>": 199999,
    "<|endofprompt|>": 200018,
    "<|assistant|>": 200019,
    "<|end|>": 200020,
    "<|user|>": 200021,
    "<|system|>": 200022,
    "<|tool|>": 200023,
    "<|/tool|>": 200024,
    "<|tool_call|>": 200025,
    "<|/tool_call|>": 200026,
    "<|tool_response|>": 200027,
    "<|tag|>": 200028,
}
SCRIPTS = r"▁?[\p{L}\p{M}]+|\p{N}|▁?[^\p{L}\p{M}\p{N}▁]+|▁+"
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def sentence_piece_like(folder: Path, template: str) -> None:
    """Phi-3's kind: Llama's tokenizer, with byte fallback; the role tags eat what follows them."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    # As Llama's learned: no piece mixes letters with punctuation, and digits stand alone.
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(SCRIPTS), "isolated")
    learner.train_from_iterator(
        TEXT.strip().splitlines(), trainers.BpeTrainer(vocab_size=PIECES, show_progress=False)
    )
    learned = json.loads(learner.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].get)
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab.update({f"<0x{byte:02X}>": 3 + byte for byte in range(256)})
    for piece in pieces:
        vocab.setdefault(piece, len(vocab))
    _fill(vocab, PHI3_FIRST)
    # As the hub's files have it: <|endoftext|> keeps what follows, the others strip it.
    added = [_added(0, "<unk>"), _added(1, "<s>"), _added(2, "</s>", rstrip=True, special=False)]
    added += [
        _added(PHI3_FIRST + index, token, rstrip=token != "<|endoftext|>")
        for index, token in enumerate(PHI3_SPECIALS)
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
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
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
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
            "added_tokens_decoder": _decoder(added),
            "bos_token": "<s>",
            "chat_template": template,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|endoftext|>",
            "legacy": False,
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "padding_side": "left",
            "sp_model_kwargs": {},
            "tokenizer_class": "LlamaTokenizer",
            "unk_token": "<unk>",
            "use_default_system_prompt": False,
        },
    )


def byte_level(folder: Path, vocab_size: int, template: str) -> None:
    """Phi-4-mini's kind: byte-level BPE with o200k's way of splitting words."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(O200K), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
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
    vocab = content["model"]["vocab"]
    _fill(vocab, min(PHI4_SPECIALS.values()))
    added = [_added(number, token) for token, number in PHI4_SPECIALS.items()]
    content["added_tokens"] = added
    # Ids between the special tokens stay unused, as on the hub; the vocabulary is padded to them.
    taken = set(PHI4_SPECIALS.values())
    vocab.update(
        {
            f"<unused_{number}>": number
            for number in range(min(taken) + 1, max(taken))
            if number not in taken
        }
    )
    vocab.update(PHI4_SPECIALS)
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
    assert max(taken) < vocab_size
    _save(
        folder,
        content,
        {
            "add_bos_token": False,
            "add_eos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": _decoder(added),
            "bos_token": "<|endoftext|>",
            "chat_template": template,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|endoftext|>",
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "GPT2Tokenizer",
            "unk_token": "<|endoftext|>",
        },
    )


def _fill(vocab: dict[str, int], upto: int) -> None:
    for number in range(len(vocab), upto):
        vocab[f"<unused_{number}>"] = number


def _added(
    number: int, token: str, *, rstrip: bool = False, special: bool = True
) -> dict[str, Any]:
    return {
        "id": number,
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": rstrip,
        "normalized": False,
        "special": special,
    }


def _decoder(added: list[dict[str, Any]]) -> dict[str, Any]:
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
