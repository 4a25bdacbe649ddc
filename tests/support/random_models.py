"""Two-layer random models with the real features of each entry of the catalogue.

What is real: the architecture's switches (grouped-query attention, tied embeddings, partial rotary,
longrope with the right number of factors, sliding window), the size of the vocabulary and the ids
of the special tokens, the chat template, the kind of tokenizer, and a config.json in the hub's own
form (`rope_scaling`, `auto_map`, `torch_dtype`). What is not: the width, the depth, the weights and
the learned pieces of the vocabulary; ids no merge reaches are filled with placeholders.

Everything follows from the entry's name and a fixed seed; nothing is downloaded.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.models.families.phi3 import PHI3 as FAMILY
from tests.support.random_tokenizers import byte_level, sentence_piece_like

SEED = 20260101
LAYERS = 2
# Fresh weights attend to everything alike, and then no mistake in the positions would ever show.
SHARPER = 60.0  # over the root of the width, which the scores grow with
INTERMEDIATE = 512


@dataclass(frozen=True)
class Features:
    """What differs between the entries.

    Attributes:
        heads, kv_heads, head_dim: of the small model; the ratio of the two is the real one.
        context: max_position_embeddings. Above 4096 the model has longrope.
        short, long: the range of the longrope factors.
        stop_ids: eos_token_id of generation_config.json.
    """

    heads: int
    kv_heads: int
    head_dim: int
    context: int
    sliding_window: int
    template: str
    stop_ids: tuple[int, ...] = (32000, 32001, 32007)
    vocab: int = 32064
    eos_id: int = 32000
    bos_id: int = 1
    pad_id: int | None = 32000
    partial_rotary: float = 1.0
    tied: bool = False
    byte_level: bool = False
    short: tuple[float, float] = (1.0, 2.8)
    long: tuple[float, float] = (1.05, 65.0)


_MINI = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + "
    "message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + "
    "message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
_MINI_35 = _MINI.replace(
    "message['role'] == 'system' %}", "message['role'] == 'system' and message['content'] %}"
)
# No system turn, and the generation prompt comes whether it was asked for or not.
_MEDIUM = (
    "{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\n' + "
    "message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}{% elif (message['role'] == "
    "'assistant') %}{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}"
)
_PHI4_MINI = (
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and "
    "message['tools'] is not none %}{{ '<|' + message['role'] + '|>' + message['content'] + "
    "'<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}{% else %}{{ '<|' + message['role'] "
    "+ '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)

FEATURES: dict[str, Features] = {
    "phi-3-mini-4k": Features(4, 4, 96, 4096, 2047, _MINI),
    "phi-3-mini-128k": Features(4, 4, 96, 131072, 262144, _MINI),
    "phi-3.5-mini": Features(4, 4, 96, 131072, 262144, _MINI_35),
    "phi-4-mini": Features(
        heads=3,
        kv_heads=1,
        head_dim=128,
        context=131072,
        sliding_window=262144,
        template=_PHI4_MINI,
        stop_ids=(200020, 199999),
        vocab=200064,
        eos_id=199999,
        bos_id=199999,
        pad_id=199999,
        partial_rotary=0.75,
        tied=True,
        byte_level=True,
        short=(1.0, 1.0),
        long=(1.0, 48.0),
    ),
    "phi-3-medium-4k": Features(8, 2, 64, 4096, 2047, _MEDIUM),
    "phi-3-medium-128k": Features(
        4, 1, 128, 131072, 131072, _MEDIUM, pad_id=None, short=(1.0, 17.0)
    ),
}


def make(entry_name: str, folder: Path) -> Path:
    """Write the model of `entry_name` (a key of `FEATURES`) into `folder`; returns the folder."""
    import torch
    import transformers

    features = FEATURES[entry_name]
    folder.mkdir(parents=True, exist_ok=True)
    config = config_json(features)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        native = {k: v for k, v in config.items() if k not in ("auto_map", "torch_dtype")}
        model_class = getattr(transformers, FAMILY.architecture)
        config_class = getattr(transformers, FAMILY.config_class)
        model = model_class(config_class(**native, dtype=torch.bfloat16)).to(torch.bfloat16)
    factor = SHARPER / math.sqrt(config["hidden_size"])
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.qkv_proj.weight.mul_(factor)
            layer.self_attn.o_proj.weight.mul_(factor)
    model.save_pretrained(folder)
    _write(folder / "config.json", config)
    _write(
        folder / "generation_config.json",
        {
            "_from_model_config": True,
            "bos_token_id": features.bos_id,
            "eos_token_id": list(features.stop_ids),
            "pad_token_id": features.pad_id if features.pad_id is not None else features.eos_id,
        },
    )
    if features.byte_level:
        byte_level(folder, features.vocab, features.template)
    else:
        sentence_piece_like(folder, features.template)
    return folder


def config_json(features: Features) -> dict[str, Any]:
    """config.json as the hub has it for such a model."""
    config: dict[str, Any] = {
        "architectures": [FAMILY.architecture],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {
            "AutoConfig": f"configuration_{FAMILY.name}.{FAMILY.config_class}",
            "AutoModelForCausalLM": f"modeling_{FAMILY.name}.{FAMILY.architecture}",
        },
        "bos_token_id": features.bos_id,
        "embd_pdrop": 0.0,
        "eos_token_id": features.eos_id,
        "hidden_act": "silu",
        "hidden_size": features.heads * features.head_dim,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": features.context,
        "model_type": FAMILY.name,
        "num_attention_heads": features.heads,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": features.kv_heads,
        "original_max_position_embeddings": 4096,
        "pad_token_id": features.pad_id,
        "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "sliding_window": features.sliding_window,
        "tie_word_embeddings": features.tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": features.vocab,
    }
    if features.byte_level:
        config["auto_map"]["AutoTokenizer"] = "Xenova/gpt-4o"
        config["partial_rotary_factor"] = features.partial_rotary
        config["lm_head_bias"] = False
    if features.context > 4096:
        count = int(features.head_dim * features.partial_rotary) // 2
        config["rope_scaling"] = {
            "long_factor": _rising(*features.long, count),
            "short_factor": _rising(*features.short, count),
            "type": "longrope",
        }
    return config


def _rising(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from `first` to `last`, in equal ratios."""
    step = math.log(last / first) / (count - 1)
    return [round(first * math.exp(step * index), 6) for index in range(count)]


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def unfuse(model: Any) -> None:
    """Give the layers of a model PEFT's own forward back."""
    from phi3scaffold.training.fused_layers import _Forward

    for layer in model.modules():
        if isinstance(layer.__dict__.get("forward"), _Forward):
            del layer.forward
