"""What an ONNX model's file holds: each weight once, and nothing of size in 32 bits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phi3scaffold.conversion.shared_weights import OF_SIZE, share_weights, weight_sizes
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.files import read_json
from tests.inference.small_forms import make_base, make_onnx
from tests.support import smollm2

SHAPE = {
    "vocab_size": 20_000,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
}
EIGHT = {"bits": 8, "group_size": 64}
SAME = {"embeds": True, "overrides": {"lm_head": EIGHT, "model.embed_tokens": EIGHT}}
IDS = np.random.default_rng(3).integers(10, 300, (3, 24))
# What a CPU needs in 32 bits: a scale for each block of weights, and the angles of the positions.
IN_FULL = (".scales", "cos_cache", "sin_cache")


def logits(folder: Path) -> np.ndarray:
    import onnxruntime_genai as og

    model = og.Model(str(folder))
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=IDS.shape[1] + 1, batch_size=len(IDS))
    generator = og.Generator(model, params)
    generator.append_tokens(IDS.astype(np.int32))
    return np.array(generator.get_output("logits"))


def initializers(folder: Path) -> dict[str, Any]:
    import onnx

    model = onnx.load(folder / "model.onnx", load_external_data=False)
    return {tensor.name: tensor for tensor in model.graph.initializer}


def data_size(folder: Path) -> int:
    return (folder / "model.onnx.data").stat().st_size


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def tied(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("precision", ["int4", "fp32"])
def test_tied_weights_are_stored_once_and_say_the_same(
    tied: bool, precision: str, tmp_path: Path
) -> None:
    prepare()
    base, plain, shared = (tmp_path / name for name in ("base", "plain", "shared"))
    make_base(base, **SHAPE, tie_word_embeddings=tied)
    make_onnx(base, plain, tmp_path / "scratch", precision, rounding=SAME)
    shutil.copytree(plain, shared)
    share_weights(shared / "model.onnx")
    weights = SHAPE["vocab_size"] * SHAPE["hidden_size"]
    once = weights * 4 if precision == "fp32" else weights + weights // 64 * 5
    assert data_size(plain) - data_size(shared) == (once if tied else 0)
    assert sorted(path.name for path in shared.iterdir()) == sorted(
        path.name for path in plain.iterdir()
    )
    assert np.array_equal(logits(shared), logits(plain))
    sizes = weight_sizes(shared / "model.onnx")
    assert sizes["embeddings"] == once
    assert sizes["output_layer"] == (0 if tied else once)
    assert sum(sizes.values()) == data_size(shared)


def test_a_project_s_model_has_nothing_of_size_in_32_bits(tiny_project: Path) -> None:
    from onnx import TensorProto

    folder = tiny_project / "gen-model" / "onnx"
    found = initializers(folder)
    full = [
        name
        for name, tensor in found.items()
        if tensor.data_type == TensorProto.FLOAT
        and np.prod(tensor.dims) * 4 >= OF_SIZE
        and not name.endswith(IN_FULL)
    ]
    assert not full
    assert found["model.embed_tokens.qweight"].data_type == TensorProto.UINT8
    facts = read_json(folder / "manifest.json")["facts"]
    parts = ("embeddings", "layers", "output_layer", "other")
    assert sum(facts[f"{part}_bytes"] for part in parts) == data_size(folder)


@pytest.mark.parametrize("architecture", smollm2.ARCHITECTURES)
def test_a_real_model_is_as_small_as_that_of_llama_cpp(architecture: str, tmp_path: Path) -> None:
    """At most 1.1 times 92 MB, the package with the same model in Q4_1."""
    from phi3scaffold.generator import new
    from phi3scaffold.pipeline.runner import run_stages
    from phi3scaffold.project.settings import load_project
    from phi3scaffold.stages.graph import STAGES

    prepare()
    try:
        base = smollm2.make(tmp_path / "smollm2", architecture)
    except smollm2.Unavailable as reason:
        pytest.skip(f"SmolLM2 cannot be had here: {reason}")
    project = load_project(new(tmp_path / "project", {"model": str(base)}, git=False, wheel=False))
    run_stages(project, ["model", "export-base"], STAGES, lambda event: None, isolate=False)
    files = (project.onnx_base / name for name in ("model.onnx", "model.onnx.data"))
    assert sum(file.stat().st_size for file in files) <= 1.1 * 92e6
    record = json.loads((project.onnx_base / "manifest.json").read_text())
    assert record["facts"]["output_layer_bytes"] == 0
