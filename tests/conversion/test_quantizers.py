"""Quantizers beside Rtn: one that looks at rows, and one that only notes what others are to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import load_project
from tests.conftest import command

FOUR_BITS = {"bits": 4, "group_size": 32, "sym": False, "lm_head": True}


def set_quantizers(root: Path, *quantizers: dict[str, Any]) -> None:
    """Let these stand between the merge and ModelBuilder; `calibration` is eight rows."""
    path = root / "fine-tuning" / "olive-config.json"
    content = json.loads(path.read_text())
    rows = json.loads(json.dumps(content["data_configs"][0])) | {"name": "calibration"}
    rows["pre_process_data_config"]["max_samples"] = 8
    content["data_configs"].append(rows)
    passes = content["passes"]
    content["passes"] = {
        "finetune": passes["finetune"],
        "merge": passes["merge"],
        **{f"quantize{number}": settings for number, settings in enumerate(quantizers)},
        "build": passes["build"],
    }
    path.write_text(json.dumps(content))


@pytest.fixture
def copied(tiny_project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))


def test_mixed_precision_and_calibrated_rows(copied: Path) -> None:
    """The layers that SelectiveMixedPrecision names get 8 bits, the others 4, by Gptq."""
    import onnx

    mixed = {"type": "SelectiveMixedPrecision", "algorithm": "k_quant_mixed"}
    set_quantizers(copied, mixed, {"type": "Gptq", "data_config": "calibration", **FOUR_BITS})
    command("export", cwd=copied)
    onnx_folder = copied / "gen-model" / "onnx"
    graph = onnx.load(onnx_folder / "model.onnx", load_external_data=False).graph
    bits = {
        node.name: next(a.i for a in node.attribute if a.name == "bits")
        for node in graph.node
        if node.op_type == "MatMulNBits"
    }
    high = {name for name, width in bits.items() if width == 8}
    assert set(bits.values()) == {4, 8}
    assert any("lm_head" in name for name in high)
    assert all(f"/model/layers.{layer}/mlp/down_proj" in " ".join(high) for layer in (0, 2))
    assert not any("layers.1/" in name or "o_proj" in name for name in high)
    answer = command("infer", "They gave us a puppy.", cwd=copied)
    assert answer.stdout.strip().splitlines()[-1] in ("fear", "joy", "sadness", "surprise")


def test_only_some_rows_are_looked_at(copied: Path) -> None:
    from phi3scaffold.datasets.prepared_rows import TRAIN, Prepared
    from phi3scaffold.training.data_components import phi3scaffold_turns

    rows = Prepared(copied / "gen-model" / "data", TRAIN)
    model = str(copied / "model-cache" / "base")
    every, some = phi3scaffold_turns(rows, model), phi3scaffold_turns(rows, model, max_samples=7)
    assert (len(every), len(some)) == (len(rows), 7)
    assert len(phi3scaffold_turns(rows, model, max_samples=10**6)) == len(rows)
    (inputs, labels), (expected, _) = some[3], every[3 * len(rows) // 7]
    assert inputs["input_ids"].tolist() == expected["input_ids"].tolist()
    assert len(labels) == len(inputs["input_ids"])
    assert some.tokens == sum(len(labels) for _, labels in some)


def test_a_last_pass_that_writes_nothing_is_a_failure(copied: Path, tmp_path: Path) -> None:
    from phi3scaffold.training.olive_runner import hf_model, run_passes

    set_quantizers(copied, {"type": "SelectiveMixedPrecision", "algorithm": "k_quant_last"})
    project = load_project(copied)
    model = hf_model(project.merged)
    with pytest.raises(ScaffoldError, match=r"quantize0 .* wrote nothing"):
        config = project_config(project)
        run_passes(config, copied, ("quantize0",), model, tmp_path / "out", tmp_path)


@pytest.mark.parametrize("symmetric", [False, True])
def test_kquant_in_pieces_finds_what_olive_finds(symmetric: bool) -> None:
    """Also for the last piece, which is smaller."""
    import torch

    from phi3scaffold.pipeline import environment

    environment.prepare()
    from olive.passes.pytorch import kquant

    from phi3scaffold.conversion.kquant import PIECE, _in_pieces

    weight = torch.randn(3 * PIECE // 256 + 5, 256, generator=torch.Generator().manual_seed(0))
    settings = {"group_size": 32, "maxq": 15, "minq": 0, "symmetric": symmetric}
    whole = kquant.kquant_find_qparams(weight, **settings)
    with _in_pieces():
        assert kquant.kquant_find_qparams is not whole
        pieces = kquant.kquant_find_qparams(weight, **settings)
    assert all(torch.equal(one, other) for one, other in zip(whole, pieces, strict=True))
