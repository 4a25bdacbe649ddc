"""Packed rows give the loss and the gradients of padded ones; no token is computed for nothing."""

from __future__ import annotations

import importlib.util
import itertools
import random
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.pipeline import environment
from phi3scaffold.training.packing import (
    IGNORE,
    LEAST_SHARED,
    MULTIPLE,
    bins,
    pack,
    shared_groups,
)
from tests.support.model_features import FEATURES
from tests.support.random_models import small_vocabulary, unfuse

environment.prepare()  # before torch: its threads sleep while they wait
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "peft"))), reason="needs torch and peft"
)


@pytest.mark.parametrize("seed", range(20))
def test_bins_hold_every_row_once_and_keep_the_limit(seed: int) -> None:
    rng = random.Random(seed)
    lengths = [rng.randint(1, 120) for _ in range(rng.randint(1, 40))]
    groups = bins(lengths, 100)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or sum(lengths[index] for index in group) <= 100
    # first fit, longest first: at most one bin is half empty
    loose = [group for group in groups if sum(lengths[i] for i in group) <= 50]
    assert len(loose) <= 1


# With windows that rows here are longer than.
CASES: dict[str, dict[str, Any]] = {
    "tiny": {},
    "phi-4-mini": {},
    "llama-3.2-1b": {},
    "qwen2.5-0.5b": {},
    "qwen3-0.6b": {},
    "smollm3-3b": {},
    "gemma-3-270m": {
        "sliding_window": 16,
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "mistral-window": {"sliding_window": 16},
}


@pytest.fixture(scope="module", params=CASES)
def model(request: pytest.FixtureRequest) -> Any:
    """A LoRA model in float32: plain; grouped-query with partial rotary and longrope; others."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    name = str(request.param)
    if name == "tiny":
        base = AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32)
        modules = list(PHI3.target_modules)
    else:
        base = small_vocabulary(name, **CASES[name])
        modules = list(FEATURES[name].family.target_modules)
    base.set_attn_implementation("sdpa")
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=modules, task_type="CAUSAL_LM")
    made = get_peft_model(base, config)
    for name, weight in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)  # zeros would hide lora_A's gradients
    return made


def rows(count: int = 6, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of 6 to 60 tokens, the end of each trained, one of them in two places."""
    import torch

    random_ = torch.Generator().manual_seed(seed)
    made = []
    for number in range(count):
        length = int(torch.randint(6, 60, (1,), generator=random_))
        ids = torch.randint(0, 400, (length,), generator=random_)
        labels = torch.full((length,), IGNORE)
        labels[-3:] = ids[-3:]
        if number == 0:
            labels[2:4] = ids[2:4]
        made.append({"input_ids": ids, "labels": labels})
    return made


@pytest.fixture(params=["groups", "mask"])
def attention(request: pytest.FixtureRequest) -> str:
    """How attention is kept inside each row: as on a CPU (adapters fused, too), as on a GPU."""
    return str(request.param)


def trainer(model: Any, folder: Path, max_tokens: int, attention: str = "groups") -> Any:
    import transformers

    from phi3scaffold.training.trainer import AnswerTrainer

    arguments = transformers.TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to=[], disable_tqdm=True
    )
    made = AnswerTrainer(model=model, args=arguments, max_tokens=max_tokens)
    made.data_collator = partial(pack, limit=max_tokens)  # smaller passes than it would choose
    if attention == "mask":
        from phi3scaffold.training.attention import MASK

        unfuse(model)
        model.get_base_model().set_attn_implementation(MASK)
    return made


def gradients(model: Any) -> dict[str, Any]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def padded(model: Any, batch: list[dict[str, Any]]) -> float:
    """The loss as transformers itself computes it over padded rows; leaves the gradients."""
    import torch

    unfuse(model)
    model.get_base_model().set_attn_implementation("sdpa")

    width = max(len(row["input_ids"]) for row in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORE)
    for number, row in enumerate(batch):
        length = len(row["input_ids"])
        ids[number, :length], labels[number, :length] = row["input_ids"], row["labels"]
        mask[number, :length] = 1
    loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    loss.backward()
    return float(loss.detach())


@pytest.mark.parametrize("limit", [60, 10_000])
def test_packed_and_padded_agree(model: Any, tmp_path: Path, limit: int, attention: str) -> None:
    """Losses to 1e-5, however many rows a forward pass takes; gradients as well."""
    import torch

    batch = rows()
    model.train()
    expected = padded(model, batch)
    wanted = gradients(model)
    ours = trainer(model, tmp_path, limit, attention)
    packed = ours.data_collator(batch)
    count = (packed["labels"][..., 1:] != IGNORE).sum()
    loss = ours.training_step(model, packed, count)
    found = gradients(model)
    assert float(loss) == pytest.approx(expected, abs=1e-5)
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        scale = float(gradient.abs().max())
        assert torch.allclose(found[name], gradient, atol=1e-4 * scale + 1e-7), name


def alike(seed: int = 0) -> list[dict[str, Any]]:
    """Rows of three kinds: two that begin alike in 20 and 30 tokens, and rows of their own.

    In some, tokens of what they share are learned.
    """
    import torch

    random_ = torch.Generator().manual_seed(seed)

    def some(count: int) -> Any:
        return torch.randint(0, 400, (count,), generator=random_)

    made = []
    for shared, count, learned in ((some(20), 5, 4), (some(30), 4, 0)):
        for number in range(count):
            ids = torch.cat([shared, some(3 + 7 * number)])
            labels = torch.full_like(ids, IGNORE)
            labels[-2:] = ids[-2:]
            labels[10 : 10 + learned] = ids[10 : 10 + learned]
            if number == 1:
                labels[len(shared)] = ids[len(shared)]  # the first of its own
            made.append({"input_ids": ids, "labels": labels})
    return [*made, *rows(3, seed + 1)]


@pytest.mark.parametrize("limit", [70, 10_000])
def test_what_rows_share_is_computed_once_and_the_loss_is_theirs_apart(
    model: Any, tmp_path: Path, limit: int, attention: str
) -> None:
    """The loss to 1e-5 and each gradient to 1e-4 of its scale, over one pass or several."""
    import torch

    batch = alike()
    model.train()
    expected = padded(model, batch)
    wanted = gradients(model)
    ours = trainer(model, tmp_path, limit, attention)
    packed = ours.data_collator(batch)
    computed = sum(one["layout"].tokens for one in packed["passes"])
    useful = sum(len(row["input_ids"]) for row in batch)
    assert limit == 70 or computed < 0.8 * useful  # small passes are mostly filled up
    loss = ours.training_step(model, packed, (packed["labels"] != IGNORE).sum())
    found = gradients(model)
    assert float(loss) == pytest.approx(expected, abs=1e-5)
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        scale = float(gradient.abs().max())
        assert torch.allclose(found[name], gradient, atol=1e-4 * scale + 1e-7), name


@pytest.mark.parametrize("seed", range(20))
def test_groups_save_as_much_as_any_grouping_of_neighbours(seed: int) -> None:
    """Compared with the best of all ways to cut the sorted rows."""
    rng = random.Random(seed)
    stems = [[rng.randint(0, 3) for _ in range(rng.randint(0, 30))] for _ in range(3)]
    rows_ = [
        rng.choice(stems) + [rng.randint(0, 9) for _ in range(rng.randint(1, 6))] for _ in "x" * 9
    ]
    groups = shared_groups(rows_)
    assert sorted(row for _, members in groups for row in members) == list(range(len(rows_)))
    for shared, members in groups:
        assert not shared or len(members) > 1
        assert len({tuple(rows_[row][:shared]) for row in members}) == 1
        assert all(len(rows_[row]) > shared for row in members)

    def saved(parts: Iterable[Sequence[list[int]]]) -> int:
        total = 0
        for part in parts:
            least = min(map(len, part)) - 1
            alike_ = 0
            while alike_ < least and len({row[alike_] for row in part}) == 1:
                alike_ += 1
            total += alike_ * (len(part) - 1) if alike_ >= LEAST_SHARED else 0
        return total

    ranked = sorted(rows_)
    ways = itertools.product([False, True], repeat=len(ranked) - 1)
    best = 0
    for cuts in ways:
        places = [0, *(n for n, cut in enumerate(cuts, 1) if cut), len(ranked)]
        best = max(best, saved(ranked[a:b] for a, b in itertools.pairwise(places)))
    assert sum(shared * (len(members) - 1) for shared, members in groups) == best


def test_the_held_out_loss_is_the_same_too(model: Any, tmp_path: Path) -> None:
    for batch in (rows(seed=3), alike(seed=3)):
        expected = padded(model, batch)
        ours = trainer(model, tmp_path, 100)
        assert ours.evaluate(batch)["eval_loss"] == pytest.approx(expected, abs=1e-5)


def test_attention_stays_inside_each_row(model: Any, tmp_path: Path, attention: str) -> None:
    """Another row's words change nothing for this one."""
    import torch

    ours = trainer(model, tmp_path, 10_000, attention)
    batch = rows()
    kept = min(batch, key=lambda row: len(row["input_ids"]))  # packed behind all other rows
    changed = [
        row if row is kept else {**row, "input_ids": (row["input_ids"] + 1) % 400} for row in batch
    ]
    end = sum(len(row["input_ids"]) for row in batch)  # behind it is only what fills up
    begin = end - len(kept["input_ids"])
    with torch.no_grad():
        one, other = (
            model(
                input_ids=only["input_ids"],
                position_ids=only["position_ids"],
                layout=only["layout"],
                use_cache=False,
            ).logits[0]
            for packed in map(ours.data_collator, (batch, changed))
            for only in packed["passes"]
        )
    assert torch.allclose(one[begin:end], other[begin:end], atol=1e-5)
    assert not torch.allclose(one[:begin], other[:begin], atol=1e-3)


def test_nothing_is_computed_that_no_row_has(model: Any, tmp_path: Path) -> None:
    """Forward passes keep the limit, are filled up to a multiple, ask the vocabulary for labels."""
    import torch

    batch = rows()
    ours = trainer(model, tmp_path, 100)
    lengths, asked = [], []
    causal_lm = model.get_base_model()
    hooks = [
        causal_lm.model.embed_tokens.register_forward_hook(
            lambda module, args, out: lengths.append(args[0].numel())
        ),
        causal_lm.lm_head.register_forward_hook(
            lambda module, args, out: asked.append(args[0].shape[-2])
        ),
    ]
    with torch.no_grad():
        ours.evaluate(batch)
    for hook in hooks:
        hook.remove()
    assert len(lengths) > 1
    assert max(lengths) <= 100 + MULTIPLE
    assert all(length % MULTIPLE == 0 for length in lengths)
    filled = sum(lengths) - sum(len(row["input_ids"]) for row in batch)
    assert 0 <= filled < MULTIPLE * len(lengths)
    assert sum(asked) == sum(int((row["labels"][1:] != IGNORE).sum()) for row in batch)


def test_no_rows_are_a_pass_in_which_nothing_is_learned(model: Any, tmp_path: Path) -> None:
    """What a process has to do where the others take the last rows of an epoch."""
    ours = trainer(model, tmp_path, 100)
    nothing = ours.data_collator([])
    assert [one["input_ids"].shape for one in nothing["passes"]] == [(1, MULTIPLE)]
    model.train()
    model.zero_grad()
    assert float(ours.training_step(model, nothing, 5)) == 0
    found = gradients(model)
    assert found
    assert all(not gradient.any() for gradient in found.values())


def test_a_row_longer_than_the_window_looks_no_further(tmp_path: Path) -> None:
    """Phi-3-mini's window is 2,047 tokens; here it is 5, with shared tokens too."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        tiny_folder(), dtype=torch.float32, sliding_window=5
    )
    model = get_peft_model(base, LoraConfig(r=2, target_modules=["o_proj"], task_type="CAUSAL_LM"))
    batch = alike()
    expected = padded(model, batch)
    for way in ("groups", "mask"):
        ours = trainer(model, tmp_path, 200, way)
        assert ours.evaluate(batch)["eval_loss"] == pytest.approx(expected, abs=1e-5), way
    base.config.sliding_window = None
    assert padded(model, batch) != pytest.approx(expected, abs=1e-3)


def test_fused_layers_drop_out_only_in_training(model: Any) -> None:
    import torch

    from phi3scaffold.training.fused_layers import fuse

    layer = model.get_base_model().model.layers[0].self_attn.o_proj
    layer.lora_dropout["default"] = torch.nn.Dropout(0.5)
    x = torch.randn(1, 7, layer.in_features)
    try:
        fuse(model)
        model.train()
        assert not torch.equal(layer(x), layer(x))
        model.eval()
        fused = layer(x)
        unfuse(model)
        assert torch.allclose(fused, layer(x), atol=1e-6)
    finally:
        layer.lora_dropout["default"] = torch.nn.Identity()


def test_a_model_in_training_can_still_generate(model: Any, tmp_path: Path) -> None:
    """A padded batch, as a callback would ask it: the tokens that the plain model gives."""
    import torch

    ids = torch.randint(5, 400, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    model.eval()
    asked = {"input_ids": ids, "attention_mask": mask, "max_new_tokens": 5, "do_sample": False}
    padded(model, rows())  # the plain model's attention
    expected = model.generate(**asked, pad_token_id=0)
    trainer(model, tmp_path, 100)
    assert torch.equal(model.generate(**asked, pad_token_id=0), expected)
