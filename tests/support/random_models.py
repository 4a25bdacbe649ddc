"""Two-layer random models with the real features of each entry of the catalogue.

What is real: the architecture's switches (grouped-query attention, tied embeddings, partial rotary,
longrope with the right number of factors, sliding windows, biases, norms of queries and keys, size
of a head), the size of the vocabulary and the ids of the special tokens, the kind of tokenizer, and
a config.json in the hub's own form (`rope_scaling`, `auto_map`, `torch_dtype`). What is not: the
width, the depth, the weights and the learned pieces of the vocabulary; ids no merge reaches are
filled with placeholders. The chat template is Phi's own, and of other families one of its traits.

Everything follows from the entry's name and a fixed seed; nothing is downloaded.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.models.families.phi3 import PHI3
from tests.support.model_features import FEATURES, Features
from tests.support.random_tokenizers import byte_level, sentence_piece_like
from tests.support.tokenizer_kinds import ByteLevelKind

SEED = 20260101
INTERMEDIATE = 512


def make(entry_name: str, folder: Path) -> Path:
    """Write the model of `entry_name` (a key of `FEATURES`) into `folder`; returns the folder."""
    import torch

    features = FEATURES[entry_name]
    folder.mkdir(parents=True, exist_ok=True)
    config = config_json(features)
    model = _random(features, config, torch.bfloat16)
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
    if isinstance(features.tokenizer, ByteLevelKind):
        byte_level(folder, features.vocab, features.template, features.tokenizer)
    else:
        sentence_piece_like(folder, features.template, features.tokenizer)
    return folder


def small_vocabulary(entry_name: str, **changes: Any) -> Any:
    """Return the same model in float32 with 500 tokens, and other changes of its configuration."""
    import torch

    features = FEATURES[entry_name]
    ids = {"vocab_size": 500, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return _random(features, {**config_json(features), **ids, **changes}, torch.float32)


def _random(features: Features, config: dict[str, Any], dtype: Any) -> Any:
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        native = {k: v for k, v in config.items() if k not in ("auto_map", "torch_dtype")}
        model_class = getattr(transformers, features.family.architecture)
        config_class = getattr(transformers, features.family.config_class)
        model = model_class(config_class(**native, dtype=dtype)).to(dtype)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                _enliven(name, weight, config["hidden_size"], features)
    return model


def _enliven(name: str, weight: Any, width: int, features: Features) -> None:
    """Make attention sharp, and biases and norms something that would be missed."""
    import torch

    if name.endswith(".bias"):
        weight.normal_(std=0.5)
    elif "norm" in name:
        weight.add_(torch.rand_like(weight) - 0.5)
        if features.family.layer_norms == 4 and "post_" in name:  # Gemma's, behind each block
            weight.sub_(0.7)  # else nothing but the last blocks would be seen in the result
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            weight.add_(features.sharpness / 40)
    elif re.search(r"(qkv|q|k|v|o)_proj", name):
        weight.mul_(features.sharpness / math.sqrt(width))  # scores grow with the width's root


def config_json(features: Features) -> dict[str, Any]:
    """config.json as the hub has it for such a model."""
    family = features.family
    config: dict[str, Any] = {
        "architectures": [family.architecture],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": features.bos_id,
        "eos_token_id": features.eos_id,
        "hidden_act": "silu",
        "hidden_size": features.width,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": features.context,
        "model_type": family.name,
        "num_attention_heads": features.heads,
        "num_hidden_layers": features.layers,
        "num_key_value_heads": features.kv_heads,
        "pad_token_id": features.pad_id,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": features.theta,
        "sliding_window": features.sliding_window,
        "tie_word_embeddings": features.tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": features.vocab,
    }
    if family is LLAMA:
        del config["sliding_window"]
    if family is PHI3:
        config |= _phi(features)
    return config | dict(features.config)


def _phi(features: Features) -> dict[str, Any]:
    """Return what a Phi's config.json says beside."""
    code = {
        "AutoConfig": f"configuration_{PHI3.name}.{PHI3.config_class}",
        "AutoModelForCausalLM": f"modeling_{PHI3.name}.{PHI3.architecture}",
    }
    config: dict[str, Any] = {"embd_pdrop": 0.0, "resid_pdrop": 0.0, "auto_map": code}
    config["original_max_position_embeddings"] = features.original_context
    if features.partial_rotary < 1:
        code["AutoTokenizer"] = "Xenova/gpt-4o"
        config["partial_rotary_factor"] = features.partial_rotary
        config["lm_head_bias"] = False
    if features.longrope:
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
    """Give the layers of a model back the forward of PEFT and transformers."""
    for layer in model.modules():
        layer.__dict__.pop("forward", None)
