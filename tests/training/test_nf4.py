"""`merge_base: nf4`: what ships is what QLoRA trained, and only where there is such a base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.pipeline.stage_runner import is_up_to_date
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.training.nf4 import round_base
from tests.conftest import command

ROWS = 12  # held-out rows, whose answers' logits are compared


@pytest.fixture(scope="module")
def merged(tiny_qlora_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A project for each merge_base, its adapter merged."""
    made = {}
    for base in ("nf4", "original"):
        root = tmp_path_factory.mktemp(base) / "proj"
        shutil.copytree(tiny_qlora_project, root, symlinks=True)
        set_merge_base(root, base)
        command("merge", cwd=root)
        made[base] = root
    return made


def set_merge_base(root: Path, value: str) -> None:
    path = root / "project.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("merge_base")]
    path.write_text("\n".join([*lines, f"merge_base: {value}"]) + "\n")


def answer_logits(root: Path, folder: Path, adapter: Path | None = None, **options: Any) -> Any:
    """Float32 logits [answer tokens, vocabulary] of a model folder on the first held-out rows."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    if adapter:
        model = PeftModel.from_pretrained(model, str(adapter))
    rows = Prepared(root / "gen-model" / "data", HELD_OUT)
    found = []
    for index in range(ROWS):
        ids, labels = rows[index]
        with torch.inference_mode():
            logits = model.eval()(torch.tensor(ids.astype("int64"))[None]).logits[0]
        found.append(logits[torch.from_numpy(labels[1:] != -100).nonzero()[:, 0]])
    return torch.cat(found)


def test_nf4_merges_what_was_trained(merged: dict[str, Path]) -> None:
    """Logits of PEFT's 4-bit model, but for bfloat16; merged into the original they differ more.

    The tolerance is the rounding of the merged weights to bfloat16 (2^-9 of each), as logits.
    """
    import torch
    from transformers import BitsAndBytesConfig

    four_bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    root = merged["nf4"]
    base, adapter = root / "model-cache" / "base", root / "gen-model" / "adapter"
    trained = answer_logits(root, base, adapter, quantization_config=four_bits)
    error = {
        name: (answer_logits(root, folder / "gen-model" / "merged") - trained).abs()
        for name, folder in merged.items()
    }
    assert error["nf4"].mean() < 0.03
    assert error["nf4"].max() < 0.3
    assert error["original"].mean() > 5 * error["nf4"].mean()


def test_only_the_four_bit_layers_change(merged: dict[str, Path], tmp_path: Path) -> None:
    """Embeddings, norms and the output layer are byte for byte the base's."""
    from safetensors.torch import load_file

    root = merged["nf4"]
    base = root / "model-cache" / "base"
    settings = {"double_quant": True, "torch_dtype": "bfloat16"}
    round_base(base, root / "gen-model" / "adapter", settings, tmp_path / "rounded")
    before = load_file(base / "model.safetensors")
    after = load_file(tmp_path / "rounded" / "model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {name for name in before if "_proj" in name}
    for name in changed:
        assert after[name].dtype == before[name].dtype
        assert len(after[name][:1, :64].unique()) <= 16
    assert (tmp_path / "rounded" / "config.json").read_bytes() == (
        base / "config.json"
    ).read_bytes()


def test_an_adapter_of_another_model_is_refused(merged: dict[str, Path], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    adapter = tmp_path / "adapter"
    adapter.mkdir()
    name = "base_model.model.model.layers.99.mlp.down_proj.lora_A.weight"
    save_file({name: torch.zeros(1, 1)}, adapter / "adapter_model.safetensors")
    settings = {"double_quant": False, "torch_dtype": "bfloat16"}
    base = merged["nf4"] / "model-cache" / "base"
    with pytest.raises(ScaffoldError, match=r"layers\.99\.mlp\.down_proj"):
        round_base(base, adapter, settings, tmp_path / "out")


def test_the_choice_decides_the_merged_model(merged: dict[str, Path], tmp_path: Path) -> None:
    """Another merge_base makes the merged model stale; no scratch is left."""
    root = Path(shutil.copytree(merged["nf4"], tmp_path / "proj", symlinks=True))
    assert is_up_to_date(STAGES["merge"], load_project(root), STAGES)
    assert not (root / "gen-model" / ".work").exists()
    set_merge_base(root, "original")
    assert not is_up_to_date(STAGES["merge"], load_project(root), STAGES)
    made = json.loads((root / "gen-model" / "merged" / "manifest.json").read_text())
    assert made["facts"]["merge_base"] == "nf4"


def test_an_unknown_base_is_refused(tiny_project: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    root.mkdir()
    shutil.copy(tiny_project / "project.yaml", root)
    set_merge_base(root, "int4")
    with pytest.raises(ScaffoldError, match="'int4'") as caught:
        load_project(root)
    assert "project.yaml: merge_base" in str(caught.value.where)
    assert "original, nf4" in str(caught.value.fix)


def test_without_an_nf4_base_it_is_refused(tiny_project: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(tiny_project, root, symlinks=True)
    set_merge_base(root, "nf4")
    done = command("merge", cwd=root, check=False)
    assert done.returncode == 2
    assert "merge_base" in done.stderr
    assert "LoRA" in done.stderr
    assert "Traceback" not in done.stderr
