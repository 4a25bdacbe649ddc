"""The same model becomes the same bytes, wherever its tables of cosines lie in memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from phi3scaffold.conversion.builder_repairs import builder_for
from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.pipeline.environment import prepare

POSITIONS, HEAD = 1024, 64
ATTRIBUTES = {
    "partial_rotary_factor": 1.0,
    "rescale_factors": 1,
    "theta": 10000,
    "position_scale": 1,
    "mscale": 1,
    "cache_length": POSITIONS,
}


def test_the_tables_are_those_of_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    import torch
    from onnxruntime_genai.models.builder import Model

    settings = SimpleNamespace(
        rope_attrs={**ATTRIBUTES, "t_dtype": torch.int64},
        head_size=HEAD,
        context_length=POSITIONS,
        original_context_length=POSITIONS,
    )
    seen = []
    before = torch.Tensor.cos
    outer = torch.outer
    monkeypatch.setattr(torch, "outer", lambda *pair: seen.append(outer(*pair)) or seen[-1])
    with builder_for(LLAMA):
        found = Model.make_rotary_embedding_caches_from_scratch(settings)
    [angles] = seen
    for table, function in zip(found, (torch.cos, torch.sin), strict=True):
        assert table.dtype == torch.float32
        half = table[:, : HEAD // 2]
        assert torch.equal(half, function(angles.double()).float())
        assert torch.equal(half, table[:, HEAD // 2 :])
    assert torch.Tensor.cos is before
