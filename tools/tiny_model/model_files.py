"""Tokenizer, chat template and configuration of `tiny`.

The tokenizer is byte-level BPE in GPT-2's form, because `transformers` and ONNX Runtime GenAI
read that form alike, token for token. The special tokens and the chat template are Phi-3's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VOCABULARY = 2560
CONTEXT = 1024
#: Phi-3's special tokens in its own order; they close the vocabulary.
SPECIAL = (
    "<unk>",
    "<s>",
    "</s>",
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
#: In effect Phi-3-mini's template, in statements that every small Jinja knows.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{{ '<|system|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% elif message['role'] == 'user' %}"
    "{{ '<|user|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '<|assistant|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|assistant|>\\n' }}"
    "{% else %}"
    "{{ eos_token }}"
    "{% endif %}"
)


def special_id(token: str) -> int:
    """Return the id of a special token."""
    return VOCABULARY - len(SPECIAL) + SPECIAL.index(token)


def build_tokenizer(texts: Iterable[str], out: Path) -> None:
    """Learn the merges from `texts` and write the tokenizer's files; same texts, same bytes."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from tokenizers import pre_tokenizers as pre

    tokenizer = Tokenizer(models.BPE())
    marker = Regex(r"<\|[a-z]+\|>")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    # While learning, chat markers are cut out; they become special tokens afterwards.
    tokenizer.pre_tokenizer = pre.Sequence([pre_tokenizers.Split(marker, "removed"), byte_level])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    )
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"the vocabulary has {tokenizer.get_vocab_size()} tokens")
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    named = {
        "bos_token": "<s>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<unk>",
    }
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    config: dict[str, Any] = {
        "tokenizer_class": "GPT2Tokenizer",
        **named,
        "add_bos_token": False,
        "add_eos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "padding_side": "left",
        "added_tokens_decoder": {
            str(special_id(token)): {"content": token, **flags, "special": True}
            for token in SPECIAL
        },
        "chat_template": CHAT_TEMPLATE,
    }
    write_json(out / "tokenizer_config.json", config)
    write_json(out / "special_tokens_map.json", named)
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """JSON as a person would want to read it."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def model_config() -> dict[str, Any]:
    """Return the arguments of `Phi3Config`: Phi-3-mini's shape, made small."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": CONTEXT,
        "original_max_position_embeddings": CONTEXT,
        "sliding_window": None,
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": False,
        "bos_token_id": special_id("<s>"),
        "eos_token_id": special_id("<|endoftext|>"),
        "pad_token_id": special_id("<|endoftext|>"),
    }
