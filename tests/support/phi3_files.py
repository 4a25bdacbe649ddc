"""The smallest files that pass for a Phi-3 model on disk: nothing can be loaded from them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.project.settings import Project, load_project


def safetensors(values: int = 8) -> bytes:
    """A valid safetensors file with one float32 vector of `values` zeros."""
    header = {"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * values)


def phi3_files(values: int = 8, **config: object) -> dict[str, bytes]:
    """name -> content of a whole model folder; `config` overrides keys of config.json."""
    content = {
        "architectures": [PHI3.architecture],
        "model_type": PHI3.name,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "max_position_embeddings": 4096,
        **config,
    }
    tokenizer = {"chat_template": "{{ messages }}", "tokenizer_class": "LlamaTokenizer"}
    return {
        "config.json": json.dumps(content).encode(),
        "generation_config.json": b'{"eos_token_id": [1]}',
        "model.safetensors": safetensors(values),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": json.dumps(tokenizer).encode(),
        "LICENSE": b"MIT",
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def project_for(root: Path, model_id: str, revision: str = "main") -> Project:
    (root / "model-cache").mkdir(parents=True, exist_ok=True)
    text = f"model:\n  id: {model_id}\n  revision: {revision}\ntarget: cpu\n"
    (root / "project.yaml").write_text(text, encoding="utf-8")
    return load_project(root)
