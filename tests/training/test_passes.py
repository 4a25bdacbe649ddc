"""Every training pass of Olive is ours under its own name: packed, merged as it is."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.pipeline import environment
from phi3scaffold.pipeline.events import Event, Note, Step
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project

environment.prepare()  # before torch: its threads sleep while they wait
NEEDED = ("torch", "olive", "peft")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"
)
KEYS = {  # beside r, alpha and target_modules
    "LoRA": {},
    "QLoRA": {"quant_type": "nf4"},
    "DoRA": {},
    "LoHa": {},
    "LoKr": {},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These matrices are small: a second thread waits more than it works."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def project_with(tiny_project: Path, folder: Path, kind: str, dtype: str = "bfloat16") -> Path:
    """A copy of the trained project whose training pass is `kind`, of two steps."""
    root = Path(shutil.copytree(tiny_project, folder / "proj", symlinks=True))
    path = root / "fine-tuning" / "olive-config.json"
    config: dict[str, Any] = json.loads(path.read_text())
    old = config["passes"]["finetune"]
    config["passes"]["finetune"] = {
        "type": kind,
        "r": 4,
        "alpha": 8,
        **({} if kind in ("QLoRA", "LoftQ") else {"target_modules": old["target_modules"]}),
        **KEYS.get(kind, {}),
        "torch_dtype": dtype,
        "train_data_config": "train",
        **({"eval_data_config": "validation"} if kind == "LoKr" else {}),
        "training_args": {**old["training_args"], "max_steps": 2},
    }
    path.write_text(json.dumps(config))
    return root


def run(root: Path, *stages: str, emit: Any = lambda event: None) -> dict[str, Any]:
    """Run the stages; returns what the finetune stage said."""
    from phi3scaffold.pipeline.runner import run_stages
    from phi3scaffold.stages.graph import STAGES

    run_stages(load_project(root), stages, STAGES, emit, isolate=False)
    return json.loads((root / "gen-model" / "adapter" / "manifest.json").read_text())["facts"]


@pytest.mark.parametrize("kind", KEYS)
def test_it_trains_packed_rows_and_merges(kind: str, tiny_project: Path, tmp_path: Path) -> None:
    root = project_with(tiny_project, tmp_path, kind)
    events: list[Event] = []
    facts = run(root, "finetune", "merge", emit=events.append)
    assert facts["algo"] == kind
    assert facts["steps"] == 2
    assert 300 < facts["tokens"] < 2 * 16 * 256  # counted by our Trainer alone: no padding
    history = json.loads((root / "gen-model" / "adapter" / "history.json").read_text())
    assert any("eval_loss" in entry for entry in history) == (kind == "LoKr")
    seen = [e for e in events if isinstance(e, Step)]
    measured = [e.step for e in seen if e.validation_step == e.step]  # a validation is told apart
    assert measured == [entry["step"] for entry in history if "eval_loss" in entry]
    steps = [e for e in seen if e.validation_step != e.step]  # each once, with its own loss
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    assert [(e.step, e.loss) for e in steps] == losses
    assert all(e.loss_step == e.step for e in steps)
    assert (root / "gen-model" / "merged" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("setting", "recomputing"), [(None, "keeps all activations"), (True, None), (False, None)]
)
def test_what_recomputes_is_chosen_where_the_config_does_not_say(
    setting: bool | None,
    recomputing: str | None,
    tiny_project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Olive's own default recomputes every layer, which takes a third more time."""
    from phi3scaffold.training.trainer import AnswerTrainer

    root = project_with(tiny_project, tmp_path, "LoRA")
    if setting is not None:
        path = root / "fine-tuning" / "olive-config.json"
        config = json.loads(path.read_text())
        config["passes"]["finetune"]["training_args"]["gradient_checkpointing"] = setting
        path.write_text(json.dumps(config))
    seen: list[bool] = []
    step = AnswerTrainer.training_step

    def looked_at(self: Any, *args: Any) -> Any:
        layers = self.model.get_base_model().model.layers
        seen.extend(layer.gradient_checkpointing for layer in layers)
        return step(self, *args)

    monkeypatch.setattr(AnswerTrainer, "training_step", looked_at)
    events: list[Event] = []
    run(root, "finetune", emit=events.append)
    assert set(seen) == {bool(setting)}
    notes = [event.text for event in events if isinstance(event, Note)]
    assert [text.split(" (")[0] for text in notes if "activations" in text] == (
        [recomputing] if recomputing else []
    )


def test_loftq_is_refused_with_the_reason(tiny_project: Path, tmp_path: Path) -> None:
    root = project_with(tiny_project, tmp_path, "LoftQ")
    with pytest.raises(ScaffoldError, match="LoftQ's initial weights on an NVIDIA GPU") as caught:
        run(root, "finetune")
    assert caught.value.exit_code == 2


def test_modules_of_another_family_are_refused(tiny_project: Path, tmp_path: Path) -> None:
    """PEFT would train o_proj and down_proj alone, and say nothing."""
    root = project_with(tiny_project, tmp_path, "LoRA")
    path = root / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text())
    config["passes"]["finetune"]["target_modules"] = ["q_proj", "o_proj", "down_proj"]
    path.write_text(json.dumps(config))
    with pytest.raises(ScaffoldError, match="no module 'q_proj'") as caught:
        run(root, "finetune")
    assert caught.value.exit_code == 2 and "lint --fix" in str(caught.value.fix)


def test_bfloat16_and_float32_begin_alike(
    tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where the processor has no bfloat16, float32 takes its place."""
    from phi3scaffold.training import passes

    losses = {}
    for name, dtype, native in (
        ("16", "bfloat16", True),
        ("32", "float32", True),
        ("without", "bfloat16", False),
    ):
        monkeypatch.setattr(passes, "has_bfloat16", lambda use_cpu, native=native: native)
        losses[name] = run(project_with(tiny_project, tmp_path / name, "LoRA", dtype), "finetune")
    first = {name: facts["first_loss"] for name, facts in losses.items()}
    assert first["16"] == pytest.approx(first["32"], rel=0.02)
    assert first["16"] != first["32"]
    assert first["without"] == first["32"]
