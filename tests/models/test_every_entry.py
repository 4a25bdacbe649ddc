"""Each family's features, and each Phi's, on a small random model through the real stages.

LoRA and QLoRA, merge, int4, adapters in ONNX and token identity. What this proves is that nothing
in the road breaks on longrope, grouped-query attention, tied embeddings, partial rotary, biases,
norms of queries and keys, sliding windows or a model's special ids; not that its real weights
learn.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.models import catalogue
from phi3scaffold.models.families.registry import FAMILIES
from phi3scaffold.pipeline import environment
from phi3scaffold.project.settings import Project, load_project
from tests.support.model_features import FEATURES, Features
from tests.support.random_models import config_json, make

environment.prepare()  # before torch: its threads sleep while they wait
NEEDED = ("torch", "olive", "onnxruntime_genai")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"
)
NAMES = [entry.name for entry in catalogue.ENTRIES if entry.mechanics_run]
TEXTS = (
    "I am not angry with you at all.",
    "  two  spaces\n\nand\ta tab, then a newline\n",
    'Well... she said: "no!" (twice); see https://example.org/a/b -- f(x, y);',
    "it's 2026, isn't it? 1234567 and 3.14",
    "naïve café, 日本語 and 🙂",
    "\nTone:",
)


def test_an_entry_of_each_family_and_every_phi_3_is_run() -> None:
    assert set(NAMES) <= set(FEATURES)
    run = [catalogue.find(name) for name in NAMES]
    assert {entry.family.name for entry in run if entry} == {family.name for family in FAMILIES}
    assert sum(name.startswith("phi-3") for name in NAMES) == 5


@pytest.mark.parametrize("name", NAMES)
def test_the_random_model_has_its_entry_s_features(name: str) -> None:
    entry = catalogue.find(name)
    small = catalogue.shape_of(config_json(FEATURES[name]))
    assert entry and entry.shape
    real = entry.shape
    assert small.heads * real.kv_heads == small.kv_heads * real.heads
    for field in ("vocab", "context", "original_context", "partial_rotary", "tied"):
        assert getattr(small, field) == getattr(real, field), field
    assert bool(small.rope_factors) == bool(real.rope_factors)
    assert FEATURES[name].stop_ids == entry.stop_ids


@dataclass(frozen=True)
class Made:
    """An entry's project whose stages have run."""

    name: str
    features: Features
    project: Project


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """These matrices are small: a second thread waits more than it works."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=NAMES)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random model of an entry; its folder has the entry's name."""
    return make(request.param, tmp_path_factory.mktemp("random") / request.param)


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return run_all(base, tmp_path_factory.mktemp("lora"), "lora", export=True)


@pytest.fixture(scope="module")
def qlora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Without the export: a merged model is a merged model, however it was trained."""
    return run_all(base, tmp_path_factory.mktemp("qlora"), "qlora", export=False)


def run_all(base: Path, folder: Path, algo: str, export: bool) -> Made:
    from phi3scaffold.generator import new
    from phi3scaffold.pipeline.runner import run_stages
    from phi3scaffold.stages.graph import STAGES

    answers = {"model": str(base), "algo": algo}
    project = load_project(new(folder / "project", answers, git=False, wheel=False))
    shorten(project)
    stages = ["tokenizer", "data", "model", "finetune", "merge", *(["export"] if export else [])]
    run_stages(project, stages, STAGES, lambda event: None, isolate=False)
    return Made(base.name, FEATURES[base.name], project)


def shorten(project: Project) -> None:
    """Few rows, few steps: what is proved is that the road holds, not that anything is learned."""
    for name, count in (("train", 16), ("held-out", 4)):
        path = project.datasets / f"{name}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:count]), encoding="utf-8")
    config = read_json(project.olive_config)
    arguments = config["passes"]["finetune"]["training_args"]
    arguments.update(max_steps=3, gradient_accumulation_steps=1, warmup_steps=0, learning_rate=1e-3)
    project.olive_config.write_text(json.dumps(config, indent=2), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def logits(model: Any, tokens: list[int]) -> Any:
    """The last position's logits, float32 [vocabulary], of a transformers model."""
    import torch

    with torch.no_grad():
        hidden = model.model(torch.tensor([tokens])).last_hidden_state[:, -1]
        return model.lm_head(hidden)[0].float().numpy()


def cosine(one: Any, other: Any) -> float:
    one, other = one.astype("float64"), other.astype("float64")
    return float(one @ other / (one @ one) ** 0.5 / (other @ other) ** 0.5)


def load(folder: Path, **settings: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **settings).eval()


def check_adapter(made: Made) -> None:
    """Every module of the family has an adapter that training has moved; nothing else has one."""
    from safetensors import safe_open

    with safe_open(made.project.adapter / "adapter_model.safetensors", "pt") as weights:
        names = list(weights.keys())
        moved = [n for n in names if "lora_B" in n and weights.get_tensor(n).abs().max() > 0]
    modules = made.features.family.target_modules
    assert len(moved) == len(names) / 2 == made.features.layers * len(modules)
    assert all(any(f".{module}." in name for name in moved) for module in modules)


def check_merged(made: Made) -> Any:
    """The merged model's switches and stop ids are the base's; its weights are not."""
    config = read_json(made.project.merged / "config.json")
    assert bool(config.get("tie_word_embeddings")) == made.features.tied
    found = read_json(made.project.merged / "generation_config.json")["eos_token_id"]
    assert set(made.features.stop_ids) <= set(found)
    merged = load(made.project.merged)
    head, embedding = merged.get_output_embeddings(), merged.get_input_embeddings()
    assert (head.weight.data_ptr() == embedding.weight.data_ptr()) == made.features.tied
    tokens = [*range(300, 330)]
    apart = cosine(logits(merged, tokens), logits(load(made.project.base), tokens))
    assert 0.5 < apart < 0.99999
    return merged


def test_lora_and_merge(lora: Made) -> None:
    from peft import PeftModel

    check_adapter(lora)
    merged = check_merged(lora)
    over_base = PeftModel.from_pretrained(load(lora.project.base), lora.project.adapter)
    tokens = [*range(300, 330)]
    expected = logits(over_base.get_base_model(), tokens)
    assert cosine(logits(merged, tokens), expected) > 0.999


def test_qlora_and_merge(qlora: Made) -> None:
    check_adapter(qlora)
    check_merged(qlora)


def spoiled(merged: Path, features: Features) -> Any:
    """The merged model with positions that are not its own.

    With longrope the short and the long factors are exchanged, with two kinds of layers their
    rotations; else the rotations are faster.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(merged)
    rope = dict(config.rope_parameters)
    if features.longrope:
        rope["short_factor"], rope["long_factor"] = rope["long_factor"], rope["short_factor"]
    elif "full_attention" in rope:
        one, other = "full_attention", "sliding_attention"
        rope[one], rope[other] = rope[other], rope[one]
    else:
        rope["rope_theta"] = 2.0
    config.rope_parameters = rope
    return load(merged, config=config)


def test_int4_answers_like_the_merged_model(lora: Made) -> None:
    """The last logits, for a short and, with longrope, for a prompt beyond the short factors.

    A model with wrong positions stands beside it, to show that the comparison would notice.
    """
    import numpy as np
    import onnxruntime_genai as og
    import torch

    merged = lora.project.merged
    reference, wrong = load(merged), spoiled(merged, lora.features)
    lengths = [60, *([4104] if lora.features.longrope else [])]
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(300, 500, (max(lengths),), generator=generator).tolist()
    model = og.Model(str(lora.project.onnx))
    for length in lengths:
        prompt = tokens[:length]
        parameters = og.GeneratorParams(model)
        parameters.set_search_options(max_length=length + 4, do_sample=False)
        answer = og.Generator(model, parameters)
        answer.append_tokens(np.array([prompt], dtype=np.int32))
        found = np.array(answer.get_logits())[0, -1]
        right = cosine(found, logits(reference, prompt))
        assert right > 0.8, length
        assert cosine(found, logits(wrong, prompt)) < right - 0.05, length
        answer.generate_next_token()
        assert 0 <= answer.get_next_tokens()[0] < lora.features.vocab


def conversations(system: bool) -> list[list[dict[str, str]]]:
    """One question each; with a system prompt, where the template has one; after two turns."""
    asked = [[{"role": "user", "content": text}] for text in TEXTS]
    before = [{"role": "user", "content": TEXTS[1]}, {"role": "assistant", "content": TEXTS[4]}]
    asked += [[*before, *turns] for turns in asked[:3]]
    if system:
        asked += [[{"role": "system", "content": "Be brief."}, *turns] for turns in asked]
    return asked


def test_every_form_asks_the_tokens_that_were_trained(lora: Made) -> None:
    """Up to the first trained token a row is what each form asks, GenAI's tokenizer included."""
    from phi3scaffold.datasets.conversations import Conversation
    from phi3scaffold.datasets.rendering import IGNORE, Rendered, Renderer
    from phi3scaffold.inference.forms import open_form

    renderer = Renderer(lora.project.tokenizer, 4096)
    asked = conversations(system=lora.features.system_turn)
    answer = {"role": "assistant", "content": "yes"}
    rows = [Conversation("row", [*turns, answer], {}) for turns in asked]
    trained = []
    for row in renderer.render(rows):
        assert isinstance(row, Rendered)
        end = len(row.labels) - row.labels[::-1].index(IGNORE)  # the last answer begins here
        trained.append(row.input_ids[:end])
        assert row.labels[-1] in lora.features.stop_ids
    forms = [open_form(name, lora.project) for name in ("base", "adapter", "merged", "onnx")]
    try:
        for turns, expected in zip(asked, trained, strict=True):
            for form in forms:
                assert form.encode(turns) == expected, (form.name, turns)
        assert len({form.prompt.stop for form in forms}) == 1
        assert set(lora.features.stop_ids) <= set(forms[-1].prompt.stop)
        settings = read_json(lora.project.onnx / "genai_config.json")["model"]
        assert set(lora.features.stop_ids) <= set(settings["eos_token_id"])
        assert len(forms[-1].generate([expected], 3)[0]) <= 3
    finally:
        for form in forms:
            form.close()


def test_a_template_without_a_system_turn_says_so(lora: Made) -> None:
    from phi3scaffold.datasets.conversations import Conversation
    from phi3scaffold.datasets.rendering import Renderer
    from phi3scaffold.project.errors import ScaffoldError

    turns = [{"role": "system", "content": "Be brief."}, *conversations(False)[0]]
    row = Conversation("row", [*turns, {"role": "assistant", "content": "yes"}], {})
    if not lora.features.system_turn:
        with pytest.raises(ScaffoldError, match="leaves system prompts out"):
            Renderer(lora.project.tokenizer, 4096).render([row])
    else:
        assert Renderer(lora.project.tokenizer, 4096).render([row])
