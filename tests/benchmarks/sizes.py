"""How large the ONNX model of a listed model becomes, without its weights.

    python tests/benchmarks/sizes.py FOLDER [--models phi-3-mini-4k phi-4-mini] [--blocks 32 64]

Two layers of the model's real widths, and its real vocabulary, with random weights, go through the
passes of the recipe `default`; the layers' bytes are then multiplied. The size is of the graph and
its weights, without the tokenizer.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from quantization import BUILD, alone, bytes_of, convert, olive

from phi3scaffold.models import catalogue
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.formatting import decimal_size
from phi3scaffold.project.settings import Project, load_project
from tests.support.random_models import FEATURES, config_json

LAYERS = 2
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def write_model(name: str, tokenizer: Path, folder: Path) -> dict[str, Any]:
    """Two layers of a listed model, in bfloat16; any tokenizer does."""
    import json

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    entry = catalogue.find(name)
    assert entry and entry.shape
    shape = entry.shape
    config = config_json(FEATURES[name]) | {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "auto_map": {},
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    torch.set_default_dtype(torch.bfloat16)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    model.save_pretrained(folder)
    for file in TOKENIZER:
        shutil.copyfile(tokenizer / file, folder / file)
    return {}


def build(project: Project, source: Path, block: int, out: Path) -> dict[str, Any]:
    """Quantize and convert; the bytes of the whole, and of the layers."""
    from phi3scaffold.conversion.shared_weights import weight_sizes

    convert(project, [*olive("Rtn", block), BUILD], source, out)
    return {"bytes": bytes_of(out), **weight_sizes(out / "model.onnx")}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["phi-3-mini-4k", "phi-4-mini"])
    parser.add_argument("--blocks", nargs="+", type=int, default=[32, 64])
    options = parser.parse_args()
    prepare()
    import olive.passes.onnx.model_builder
    import olive.passes.pytorch.quant_utils  # noqa: F401 (imported before the forks)

    from phi3scaffold.generator import new

    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    project = load_project(new(folder / "project", {"model": "tiny"}, git=False, wheel=False))
    tokenizer = Path(catalogue.tiny_folder())
    for name in options.models:
        entry = catalogue.find(name)
        assert entry and entry.shape
        source, out = folder / name, folder / "built" / "onnx"
        alone(write_model, name, tokenizer, source)
        for block in options.blocks:
            found = alone(build, project, source, block, out)
            shutil.rmtree(out.parent, ignore_errors=True)
            if "error" in found:
                print(name, block, found["error"], flush=True)
                continue
            whole = found["bytes"] + found["layers"] / LAYERS * (entry.shape.layers - LAYERS)
            ends = decimal_size(found["embeddings"] + found["output_layer"])
            print(f"{name}, block {block}: {decimal_size(whole)}", end=", of which ", flush=True)
            print(f"{ends} embeddings and output layer", flush=True)
        shutil.rmtree(source)


if __name__ == "__main__":
    main()
