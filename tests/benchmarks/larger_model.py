"""Makes a Phi-3 ten times as large as `tiny`, for measurements at a second size.

    python tests/benchmarks/larger_model.py --out DIR --minutes 40

`tiny` is grown without changing what it computes (Net2Net, Chen et al., arXiv:1511.05641): every
channel, head and feed-forward unit three times, and two layers more that begin as the identity.
Then all weights are trained on, on new documents of tiny's own corpus, until the minutes or the
tokens are spent. The copies part at once, as each takes a random share of what it reads.
Tokenizer and chat template are tiny's. A stopped run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tiny_model.corpus import documents
from tiny_model.model_files import model_config, write_json
from tiny_model.pretrain import (
    HELD_OUT_DOCUMENTS,
    HELD_OUT_SEED,
    WORKERS,
    Checkpoint,
    Masters,
    Recipe,
    batches,
    blocks,
    encode,
    held_out_loss,
    spread_unused,
)

from phi3scaffold.models.catalogue import tiny_folder

if TYPE_CHECKING:
    import torch
    from transformers import Phi3ForCausalLM

#: How often each of tiny's channels is repeated, and where among the layers a new one comes.
TIMES = 3
LAYERS: tuple[int | None, ...] = (0, 1, None, 2, 3, None)
#: How unequally the copies share an input: the spread of the shares around 1 / TIMES.
SPREAD = 0.4
RECIPE = Recipe(
    seed=11,
    documents=120_000,
    tokens_per_step=2048,
    learning_rate=6e-4,
    warmup_steps=40,
)


def larger_config() -> dict[str, object]:
    """The arguments of `Phi3Config`: tiny's with more heads, channels, units and layers."""
    config = model_config()
    for key in (
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
    ):
        config[key] *= TIMES
    return config | {"num_hidden_layers": len(LAYERS)}


def repeated(weight: torch.Tensor, parts: int = 1) -> torch.Tensor:
    """The outputs [parts * n, ...] repeated part by part (q, k and v, or gate and up)."""
    import torch

    return torch.cat([part for chunk in weight.chunk(parts) for part in [chunk] * TIMES])


def shared(weight: torch.Tensor) -> torch.Tensor:
    """The inputs [..., n] repeated, each copy with a random share; the shares add up to one."""
    import torch

    noise = torch.randn(TIMES, *weight.shape) * SPREAD
    shares = noise - noise.mean(0) + 1 / TIMES
    return torch.cat([weight * share for share in shares], dim=-1)


def grown(seed: int) -> Phi3ForCausalLM:
    """The larger model, which says what `tiny` says."""
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(seed)
    small = Phi3ForCausalLM.from_pretrained(tiny_folder(), torch_dtype=torch.float32)
    model = Phi3ForCausalLM(Phi3Config(**larger_config()))
    model.generation_config = small.generation_config
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(small.model.embed_tokens.weight.repeat(1, TIMES))
        model.model.norm.weight.copy_(small.model.norm.weight.repeat(TIMES))
        model.lm_head.weight.copy_(shared(small.lm_head.weight))
        for source, layer in zip(LAYERS, model.model.layers, strict=True):
            ends = (layer.self_attn.o_proj, layer.mlp.down_proj)
            if source is None:
                for end in ends:
                    end.weight.zero_()
                continue
            old = small.model.layers[source]
            for new, was, parts in (
                (layer.self_attn.qkv_proj, old.self_attn.qkv_proj, 3),
                (layer.self_attn.o_proj, old.self_attn.o_proj, 1),
                (layer.mlp.gate_up_proj, old.mlp.gate_up_proj, 2),
                (layer.mlp.down_proj, old.mlp.down_proj, 1),
            ):
                new.weight.copy_(shared(repeated(was.weight, parts)))
            layer.input_layernorm.weight.copy_(old.input_layernorm.weight.repeat(TIMES))
            layer.post_attention_layernorm.weight.copy_(
                old.post_attention_layernorm.weight.repeat(TIMES)
            )
    return model


def train(out: Path, seconds: float, tokens: int, checkpoint_seconds: float = 180.0) -> None:
    """Train until the seconds or the tokens are spent; the rate falls as a cosine up to there."""
    shutil.copytree(
        tiny_folder(), out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.saf*", "README*")
    )
    ids = encode(out, documents(RECIPE.seed, RECIPE.documents))
    held_out = blocks(encode(out, documents(HELD_OUT_SEED, HELD_OUT_DOCUMENTS)), RECIPE.block)
    held_out = held_out[: 64 * 4]
    order = batches(ids, RECIPE)
    model = grown(RECIPE.seed)
    masters = Masters(model, RECIPE, WORKERS)
    checkpoint = Checkpoint(out)
    step, before = checkpoint.load(masters)
    began = saved = time.monotonic()
    print(f"{len(ids):,} tokens, held-out loss {held_out_loss(model, held_out):.4f}", flush=True)
    while True:
        spent = before + time.monotonic() - began
        part = max(spent / seconds, step * RECIPE.tokens_per_step / tokens)
        if part >= 1:
            break
        warm = min(1.0, (step + 1) / RECIPE.warmup_steps)
        rate = RECIPE.learning_rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * part)) / 2)
        loss = masters.backward(order[step % len(order)], RECIPE.answer_weight)
        masters.step(rate, RECIPE.clip)
        step += 1
        if step % 20 == 0:
            done = step * RECIPE.tokens_per_step
            print(f"step {step} loss {loss:.3f} {done:,} tokens {spent:.0f} s", flush=True)
        if time.monotonic() - saved > checkpoint_seconds:
            checkpoint.save(masters, step, spent)
            print(f"held-out loss {held_out_loss(model, held_out):.4f}", flush=True)
            saved = time.monotonic()
    spread_unused(model, ids, RECIPE)
    model.save_pretrained(out)
    measured = {
        "held_out_loss": round(held_out_loss(model, held_out), 4),
        "tokens": step * RECIPE.tokens_per_step,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(before + time.monotonic() - began),
    }
    write_json(out / "training.json", measured)
    checkpoint.path.unlink(missing_ok=True)
    print(json.dumps(measured), flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--tokens", type=int, default=4_000_000)
    options = parser.parse_args()
    train(options.out, options.minutes * 60, options.tokens)


if __name__ == "__main__":
    main()
