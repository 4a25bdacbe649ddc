"""Gemma 3 from 4 billion weights on: its full attention stretches positions, the rest does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phi3scaffold.conversion.builder_repairs import builder_for
from phi3scaffold.models.families.gemma3 import GEMMA3
from phi3scaffold.pipeline.environment import prepare
from tests.support.random_models import small_vocabulary

CONTEXT = 64
SCALINGS = {
    "none": None,
    "linear": {"rope_type": "linear", "factor": 8.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    },
}


def rotations(model: Any, kind: str) -> np.ndarray:
    """The cosines by position that transformers computes for a kind of layer."""
    import torch

    positions = torch.arange(CONTEXT)[None]
    cosines, _ = model.model.rotary_emb(torch.zeros(1), positions, f"{kind}_attention")
    return cosines[0, :, : cosines.shape[-1] // 2].numpy()


@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=list(SCALINGS))
def test_each_kind_of_layer_has_its_own_rotation(
    scaling: dict[str, Any] | None, tmp_path: Path
) -> None:
    prepare()
    import onnx
    from onnx import numpy_helper
    from onnxruntime_genai.models.builder import create_model

    changes = {"rope_scaling": scaling, "max_position_embeddings": CONTEXT}
    model = small_vocabulary("gemma-3-270m", **changes)
    model.save_pretrained(tmp_path / "model")
    with builder_for(GEMMA3):
        create_model(
            None,
            str(tmp_path / "model"),
            str(tmp_path / "onnx"),
            "fp32",
            "cpu",
            str(tmp_path / "cache"),
        )
    graph = onnx.load(tmp_path / "onnx" / "model.onnx").graph
    tables = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for kind, name in {"full": "cos_cache_global", "sliding": "cos_cache_local"}.items():
        expected = rotations(model, kind)
        np.testing.assert_allclose(tables[name][:CONTEXT], expected, atol=1e-5, err_msg=kind)
