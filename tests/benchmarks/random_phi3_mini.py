"""A Phi-3-mini of the real size with random weights: 3.8 billion parameters in bfloat16, 7.6 GB.

    python tests/benchmarks/random_phi3_mini.py FOLDER

It answers nonsense, and costs exactly the memory, disk and time that the real one costs. The
tokenizer is the embedded tiny model's; its ids all lie inside the real vocabulary. One layer is
held in memory at a time.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from phi3scaffold.models.catalogue import tiny_folder

# from the published config.json of Phi-3-mini-4k-instruct
CONFIG = {
    "architectures": ["Phi3ForCausalLM"],
    "model_type": "phi3",
    "vocab_size": 32064,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 4096,
    "original_max_position_embeddings": 4096,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "sliding_window": 2047,
    "tie_word_embeddings": False,
    "attention_dropout": 0.0,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "torch_dtype": "bfloat16",
}


def make(folder: Path) -> None:
    """Write config, tokenizer and sharded safetensors into `folder` (made if missing)."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for file in tiny_folder().iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copy(file, folder)
    ids = json.loads((tiny_folder() / "config.json").read_text())
    special = {key: ids.get(key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "config.json").write_text(json.dumps({**CONFIG, **special}, indent=2))
    torch.manual_seed(0)
    hidden, inner, vocab = 3072, 8192, 32064

    def noise(*shape: int) -> torch.Tensor:
        return torch.empty(*shape, dtype=torch.bfloat16).normal_(std=0.02)

    index: dict[str, str] = {}
    total = 0

    def save(name: str, tensors: dict[str, torch.Tensor]) -> None:
        nonlocal total
        save_file(tensors, folder / name, metadata={"format": "pt"})
        index.update(dict.fromkeys(tensors, name))
        total += sum(tensor.nbytes for tensor in tensors.values())

    layers = CONFIG["num_hidden_layers"]
    assert isinstance(layers, int)
    for layer in range(layers):
        at = f"model.layers.{layer}."
        save(
            f"model-{layer + 1:05d}-of-{layers + 1:05d}.safetensors",
            {
                f"{at}self_attn.qkv_proj.weight": noise(3 * hidden, hidden),
                f"{at}self_attn.o_proj.weight": noise(hidden, hidden),
                f"{at}mlp.gate_up_proj.weight": noise(2 * inner, hidden),
                f"{at}mlp.down_proj.weight": noise(hidden, inner),
                f"{at}input_layernorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
                f"{at}post_attention_layernorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
            },
        )
    save(
        f"model-{layers + 1:05d}-of-{layers + 1:05d}.safetensors",
        {
            "model.embed_tokens.weight": noise(vocab, hidden),
            "model.norm.weight": torch.ones(hidden, dtype=torch.bfloat16),
            "lm_head.weight": noise(vocab, hidden),
        },
    )
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=1)
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]))
