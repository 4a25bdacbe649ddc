"""What fine-tuning/olive-config.json says, read without Olive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import OliveConfig, load_config

LORA = {"type": "LoRA"}
MERGE = {"type": "MergeAdapterWeights"}
MIX = {"type": "SelectiveMixedPrecision", "algorithm": "k_quant_mixed", "bits": 8}
BUILD = {"type": "ModelBuilder", "precision": "int4"}
ROWS = {"name": "calibration", "pre_process_data_config": {"max_samples": 8}}


def config(folder: Path, *export: dict[str, Any], **more: Any) -> OliveConfig:
    """A file with these passes behind the merge."""
    passes = {str(number): one for number, one in enumerate((LORA, MERGE, *export))}
    path = folder / "olive-config.json"
    path.write_text(json.dumps({"passes": passes, **more}))
    return load_config(path)


@pytest.mark.parametrize(
    ("export", "precision", "quantizer"),
    [
        ([{"type": "Rtn", "bits": 8}, BUILD], "int8", "rtn"),
        ([MIX, {"type": "KQuant"}, BUILD], "int4", "kquant"),
        ([{"type": "Gptq", "bits": 8, "data_config": "train"}, BUILD], "int8", "gptq"),
        ([BUILD], "int4", ""),
        ([BUILD | {"precision": "fp16"}], "fp16", ""),
        ([{"type": "ModelBuilder"}], "fp32", ""),
    ],
)
def test_the_precision_is_that_of_the_weights(
    export: list[dict[str, Any]], precision: str, quantizer: str, tmp_path: Path
) -> None:
    found = config(tmp_path, *export)
    assert (found.precision, found.quantizer) == (precision, quantizer)


def test_the_rows_that_a_quantizer_looks_at_decide_what_is_exported(tmp_path: Path) -> None:
    gptq = {"type": "Gptq", "data_config": "calibration"}
    found = [
        config(tmp_path, gptq, BUILD, data_configs=[{"name": "train"}, rows])
        for rows in (ROWS, {"name": "calibration"})
    ]
    assert found[0].settings_for("export")["data_configs"] == [ROWS]
    assert found[0].settings_for("export") != found[1].settings_for("export")
    assert found[0].settings_for("finetune") == found[1].settings_for("finetune")


@pytest.mark.parametrize(
    "fetches",
    [{"type": "Gptq"}, {"type": "SelectiveMixedPrecision", "algorithm": "kld_gradient"}],
    ids=lambda one: one["type"],
)
def test_a_pass_that_would_fetch_a_text_is_refused(fetches: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="fetches a text from the hub") as caught:
        config(tmp_path, fetches, BUILD)
    assert caught.value.exit_code == 2
    assert "passes.2" in str(caught.value.where)
    assert caught.value.fix


def test_what_the_model_is_for_decides_what_is_exported_and_trains_nothing_anew(
    tmp_path: Path,
) -> None:
    gpu, cpu = {"accelerators": [{"device": "gpu"}]}, {"accelerators": [{"device": "cpu"}]}
    more = {"systems": {"job": gpu, "local": cpu}, "host": "job"}
    here, there = (config(tmp_path, BUILD, target=one, **more) for one in ("local", "job"))
    assert (here.system("target"), there.system("target")) == (cpu, gpu)
    assert here.settings_for("export") != there.settings_for("export")
    assert here.settings_for("finetune") == there.settings_for("finetune")


def test_a_key_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "olive-config.json"
    path.write_text('{"passes": {"a": {"type": "LoRA",\n"r": 8,\n"r": 16}}}')
    with pytest.raises(ScaffoldError, match="'r' stands there twice") as caught:
        load_config(path)
    assert caught.value.exit_code == 2
    assert caught.value.where == f"{path}:3: passes.a.r"
