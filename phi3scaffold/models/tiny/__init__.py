"""The embedded proof model `tiny`: a small, real Phi-3, and how it was made.

`MODEL_DIR` holds a `Phi3ForCausalLM` of under five million parameters with its own tokenizer.
It exists so that the whole pipeline can run, and really learn something, on a laptop with no
network and no GPU. It is a demonstration model: it knows a little world of everyday events and
how people feel about them, and nothing else.

`python -m phi3scaffold.tiny.pretrain --out DIR` makes it again from the texts in `world/`.
Importing this package imports neither torch nor transformers.
"""

from __future__ import annotations

from pathlib import Path

MODEL_DIR: Path = Path(__file__).resolve().parent / "model"
WORLD_DIR: Path = Path(__file__).resolve().parent / "world"

__all__ = ["MODEL_DIR", "WORLD_DIR"]
