"""An old config runs: from its text to an answer of the int4 model, on `tiny`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import command

SAMPLES = Path(__file__).parents[1] / "migration" / "samples"


def test_it_trains_with_the_old_settings_and_answers(tmp_path: Path) -> None:
    words = ("migrate", str(SAMPLES / "local-0.6.json"), "proj", "--model", "tiny")
    command(*words, cwd=tmp_path)
    root = tmp_path / "proj"
    command("export", cwd=root)

    adapter = json.loads((root / "gen-model" / "adapter" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"], adapter["lora_dropout"]) == (8, 24, 0.1)
    assert set(adapter["target_modules"]) == {"o_proj", "qkv_proj"}
    done = command("infer", "--form", "onnx", "--json", "The lake lies still", cwd=root)
    assert json.loads(done.stdout)["answer"].strip()
    git = (root / ".git").is_dir()
    assert git
