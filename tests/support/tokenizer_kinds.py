"""The tokenizers of the families: kind, control tokens with their real ids, how words are split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

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
CL100K = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def added_token(
    number: int,
    token: str,
    *,
    lstrip: bool = False,
    rstrip: bool = False,
    special: bool = True,
) -> dict[str, Any]:
    return {
        "id": number,
        "content": token,
        "single_word": False,
        "lstrip": lstrip,
        "rstrip": rstrip,
        "normalized": False,
        "special": special,
    }


@dataclass(frozen=True)
class SentencePieceLike:
    """A tokenizer like Llama's: pieces with byte fallback, made from a SentencePiece model.

    Attributes:
        added: the control tokens.
        filled: ids below it that no piece has are filled.
        prepends: whether a space is put before each text.
    """

    added: tuple[dict[str, Any], ...]
    filled: int
    bos: str
    eos: str
    pad: str
    prepends: bool = True
    tokenizer_class: str = "LlamaTokenizer"


@dataclass(frozen=True)
class ByteLevelKind:
    """A tokenizer like GPT-2's.

    Attributes:
        specials: control token -> its id.
        plain: those that are not marked as special.
        split: the pattern of its words; None: digits apart, then GPT-2's.
        strips: whether its control tokens take the white space on both sides with them.
        normal_form: what Unicode text is brought to, or "".
        bos_first: whether `bos` is put before a text, where special tokens are added.
    """

    specials: Mapping[str, int]
    bos: str
    eos: str
    pad: str
    split: str | None = O200K
    plain: tuple[str, ...] = ()
    strips: bool = False
    normal_form: str = ""
    bos_first: bool = False
    tokenizer_class: str = "GPT2Tokenizer"


# As the hub's files have it: <|endoftext|> keeps what follows, the others strip it.
PHI_3 = SentencePieceLike(
    added=(
        added_token(0, "<unk>"),
        added_token(1, "<s>"),
        added_token(2, "</s>", rstrip=True, special=False),
        *(
            added_token(PHI3_FIRST + index, token, rstrip=token != "<|endoftext|>")
            for index, token in enumerate(PHI3_SPECIALS)
        ),
    ),
    filled=PHI3_FIRST,
    bos="<s>",
    eos="<|endoftext|>",
    pad="<|endoftext|>",
)
MISTRAL = SentencePieceLike(
    added=tuple(
        added_token(number, token)
        for number, token in enumerate(("<unk>", "<s>", "</s>", "[INST]", "[/INST]"))
    ),
    filled=32768,
    bos="<s>",
    eos="</s>",
    pad="</s>",
)
GEMMA = SentencePieceLike(
    added=(
        *(
            added_token(number, f"<{word}>")
            for number, word in enumerate(("pad", "eos", "bos", "unk"))
        ),
        added_token(105, "<start_of_turn>"),
        added_token(106, "<end_of_turn>"),
    ),
    filled=262144,
    bos="<bos>",
    eos="<eos>",
    pad="<pad>",
    prepends=False,
    tokenizer_class="GemmaTokenizer",
)
PHI_4 = ByteLevelKind(PHI4_SPECIALS, "<|endoftext|>", "<|endoftext|>", "<|endoftext|>")
PHI_4_LARGE = ByteLevelKind(
    {
        "<|endoftext|>": 100257,
        "<|im_start|>": 100264,
        "<|im_end|>": 100265,
        "<|im_sep|>": 100266,
    },
    bos="<|endoftext|>",
    eos="<|im_end|>",
    pad="<|endoftext|>",
    split=CL100K,
    strips=True,
)
SMOLLM2 = ByteLevelKind(
    {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2},
    bos="<|im_start|>",
    eos="<|im_end|>",
    pad="<|im_end|>",
    split=None,
)
LLAMA_3 = ByteLevelKind(
    {
        "<|begin_of_text|>": 128000,
        "<|end_of_text|>": 128001,
        "<|start_header_id|>": 128006,
        "<|end_header_id|>": 128007,
        "<|eom_id|>": 128008,
        "<|eot_id|>": 128009,
    },
    bos="<|begin_of_text|>",
    eos="<|eot_id|>",
    pad="<|eot_id|>",
    split=CL100K,
    bos_first=True,
    tokenizer_class="PreTrainedTokenizerFast",
)
QWEN2 = ByteLevelKind(
    {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645},
    bos="<|endoftext|>",
    eos="<|im_end|>",
    pad="<|endoftext|>",
    split=CL100K.replace("{1,3}", ""),
    normal_form="NFC",
    tokenizer_class="Qwen2Tokenizer",
)
QWEN3 = replace(
    QWEN2,
    specials={**QWEN2.specials, "<think>": 151667, "</think>": 151668},
    plain=("<think>", "</think>"),
)
SMOLLM3 = replace(
    LLAMA_3,
    specials={
        "<|begin_of_text|>": 128000,
        "<|end_of_text|>": 128001,
        "<think>": 128002,
        "</think>": 128003,
        "<|im_start|>": 128011,
        "<|im_end|>": 128012,
    },
    eos="<|im_end|>",
    pad="<|im_end|>",
    plain=("<think>", "</think>"),
)
