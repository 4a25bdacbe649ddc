"""Makes the proof model `tiny` from nothing: tokenizer, then weights.

    python -m tiny_model.pretrain --out DIR

The tokenizer comes out byte for byte the same each time. The weights come out to the held-out
loss stated in `training.json`, not to the bit: sums run in another order on another machine.
A checkpoint every few minutes lets a stopped run go on where it was.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiny_model.corpus import documents
from tiny_model.model_files import (
    SPECIAL,
    VOCABULARY,
    build_tokenizer,
    model_config,
    special_id,
    write_json,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import Phi3ForCausalLM

#: Documents that the tokenizer learns from, and those kept out of training to measure the loss.
TOKENIZER_DOCUMENTS = 40_000
HELD_OUT_DOCUMENTS = 1_000
HELD_OUT_SEED = 1_000_003
#: Copies of the model that share a step's batch, a thread each.
WORKERS = 2


@dataclass(frozen=True)
class Recipe:
    """What decides the weights."""

    seed: int = 7
    documents: int = 300_000
    block: int = 128
    long_block: int = 512
    long_share: float = 0.1
    tokens_per_step: int = 4096
    answer_weight: float = 4.0
    learning_rate: float = 2.5e-3
    steps: int = 3_500
    warmup_steps: int = 100
    decay_share: float = 0.3
    weight_decay: float = 0.1
    clip: float = 1.0
    unused_spread: float = 0.1


def encode(folder: Path, texts: Iterator[str]) -> np.ndarray:
    """Return the texts as one row of token ids, each text closed by the end-of-text token."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end = special_id("<|endoftext|>")
    rows: list[np.ndarray] = []
    batch: list[str] = []

    def flush() -> None:
        for encoding in tokenizer.encode_batch(batch):
            rows.append(np.array([*encoding.ids, end], dtype=np.uint16))
        batch.clear()

    for text in texts:
        batch.append(text)
        if len(batch) == 2_000:
            flush()
    flush()
    return np.concatenate(rows)


def blocks(ids: np.ndarray, length: int) -> torch.Tensor:
    """Return the ids in blocks of one length; what does not fill a block is dropped."""
    import torch

    whole = len(ids) // length * length
    return torch.from_numpy(ids[:whole].astype("int64")).view(-1, length)


def answers(batch: torch.Tensor) -> torch.Tensor:
    """Where the assistant speaks: positions whose latest chat marker is its own."""
    import torch

    marks = torch.zeros_like(batch, dtype=torch.bool)
    for token in ("<|assistant|>", "<|end|>", "<|endoftext|>"):
        marks |= batch == special_id(token)
    places = torch.arange(batch.shape[1]).expand_as(batch)
    latest = torch.where(marks, places, 0).cummax(1).values
    return batch.gather(1, latest) == special_id("<|assistant|>")


def loss_of(model: Phi3ForCausalLM, batch: torch.Tensor, weight: float = 1.0) -> torch.Tensor:
    """Mean next-token loss, in which an answer's tokens count `weight` times.

    What an answer says about a text is a few tokens among many that only carry on a sentence.
    """
    import torch
    import torch.nn.functional as F

    logits = model(input_ids=batch, use_cache=False).logits[:, :-1].float()
    losses = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1), reduction="none"
    )
    weights = torch.where(answers(batch)[:, :-1], weight, 1.0).reshape(-1)
    return (losses * weights).sum() / weights.sum()


def held_out_loss(model: Phi3ForCausalLM, held_out: torch.Tensor, batch: int = 32) -> float:
    """Return the loss on documents of another seed."""
    import torch

    model.eval()
    with torch.no_grad():
        losses = [loss_of(model, part).item() for part in held_out.split(batch)]
    model.train()
    return sum(losses) / len(losses)


def rate(recipe: Recipe, step: int) -> float:
    """Learning rate: a linear warm-up, level, and over the last part down a straight line.

    Until the decline begins nothing depends on how long the run will be, so that a run can be
    stopped and be given more or fewer steps without another beginning.
    """
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    left = (recipe.steps - step) / (recipe.steps * recipe.decay_share)
    return recipe.learning_rate * min(1.0, 0.01 + left)


def new_model(seed: int) -> Phi3ForCausalLM:
    """Build the model with weights drawn from the seed."""
    import torch
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM

    torch.manual_seed(seed)
    model = Phi3ForCausalLM(Phi3Config(**model_config()))
    end = special_id("<|endoftext|>")
    model.generation_config = GenerationConfig(
        bos_token_id=special_id("<s>"),
        eos_token_id=[end, special_id("<|end|>")],
        pad_token_id=end,
        do_sample=False,
    )
    return model


def spread_unused(model: Phi3ForCausalLM, ids: np.ndarray, recipe: Recipe) -> None:
    """Set apart the output rows of tokens that no text uses.

    They were only ever pushed down together, and end up as one and the same direction. An adapter
    leaves the output layer as it is: it could not have an answer begin with one of them, but by
    the luck of rounding, which a quantizer undoes. A little noise gives each a direction of its
    own; they stay as unlikely as they were. Control tokens are left alone.
    """
    import numpy as np
    import torch

    counts = np.bincount(ids, minlength=VOCABULARY)[: VOCABULARY - len(SPECIAL)]
    unused = torch.from_numpy(np.flatnonzero(counts == 0))
    rows = model.lm_head.weight
    noise = torch.randn(
        len(unused), rows.shape[1], generator=torch.Generator().manual_seed(recipe.seed)
    )
    with torch.no_grad():
        rows[unused] = (rows[unused].float() + noise * recipe.unused_spread).to(rows.dtype)


class Masters:
    """AdamW on float32 copies of bfloat16 weights.

    Forward and backward run in bfloat16 altogether, twice as fast as in float32 on a CPU that
    has it; the small updates are added up in float32, where they are not rounded away.

    Each worker has its own copy of the weights and its share of the batch. Two workers of one
    thread each wait for one another once a step, where two threads inside each product would
    wait hundreds of times, which on a machine that others use costs most of the speed.
    """

    def __init__(self, model: Phi3ForCausalLM, recipe: Recipe, workers: int) -> None:
        import torch

        self.kept = [p.detach().clone().float() for p in model.parameters()]
        model.to(torch.bfloat16).train()
        self.models = [model, *(copy.deepcopy(model) for _ in range(workers - 1))]
        self.live = [list(one.parameters()) for one in self.models]
        self.pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        # Norms are not decayed: they are scales, not directions.
        decayed = [p for p in self.kept if p.dim() > 1]
        others = [p for p in self.kept if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": recipe.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            betas=(0.9, 0.95),
            fused=True,
        )

    def backward(self, batch: torch.Tensor, weight: float) -> float:
        """Each worker's gradients for its share of the batch; the mean loss."""

        def work(model: Phi3ForCausalLM, share: torch.Tensor) -> float:
            loss = loss_of(model, share, weight)
            loss.backward()
            return loss.item()

        shares = batch.chunk(len(self.models))
        losses = list(self.pool.map(work, self.models, shares))
        return sum(losses) / len(losses)

    def step(self, learning_rate: float, clip: float) -> None:
        """One update from the live weights' gradients, copied back to them."""
        import torch

        for kept, *copies in zip(self.kept, *self.live, strict=True):
            kept.grad = torch.stack([one.grad.float() for one in copies]).mean(0)
            for one in copies:
                one.grad = None
        torch.nn.utils.clip_grad_norm_(self.kept, clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.publish()

    def publish(self) -> None:
        """Round the kept weights into the live ones."""
        import torch

        with torch.no_grad():
            for live in self.live:
                for kept, one in zip(self.kept, live, strict=True):
                    one.copy_(kept)


class Checkpoint:
    """Weights, optimizer state and step in one safetensors file, replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkpoint.safetensors"

    def save(self, masters: Masters, step: int, seconds: float) -> None:
        """Write beside, then rename: a kill leaves the old file or the new one."""
        from safetensors.torch import save_file

        tensors = {f"weight.{index}.kept": kept for index, kept in enumerate(masters.kept)}
        for index, values in masters.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        part = self.path.with_suffix(".part")
        save_file(tensors, part, metadata={"step": str(step), "seconds": str(seconds)})
        part.replace(self.path)

    def load(self, masters: Masters) -> tuple[int, float]:
        """Put back what was saved; step and seconds so far, zero where there is nothing."""
        if not self.path.is_file():
            return 0, 0.0
        from safetensors import safe_open

        state: dict[int, dict[str, torch.Tensor]] = {}
        with safe_open(self.path, framework="pt") as file:
            meta = file.metadata()
            for key in file.keys():  # noqa: SIM118 (not a dict)
                kind, index, name = key.split(".")
                if kind == "weight":
                    masters.kept[int(index)].copy_(file.get_tensor(key))
                else:
                    state.setdefault(int(index), {})[name] = file.get_tensor(key)
        whole = masters.optimizer.state_dict()
        whole["state"] = state
        masters.optimizer.load_state_dict(whole)
        masters.publish()
        return int(meta["step"]), float(meta["seconds"])


def batches(ids: np.ndarray, recipe: Recipe) -> list[torch.Tensor]:
    """Return the training batches in order: mostly short blocks, some long ones."""
    import torch

    generator = torch.Generator().manual_seed(recipe.seed)
    cut = int(len(ids) * (1 - recipe.long_share))
    made: list[torch.Tensor] = []
    for part, length in ((ids[:cut], recipe.block), (ids[cut:], recipe.long_block)):
        data = blocks(part, length)
        rows = recipe.tokens_per_step // length
        order = torch.randperm(len(data), generator=generator)
        made += [data[chosen] for chosen in order.split(rows) if len(chosen) == rows]
    return [made[i] for i in torch.randperm(len(made), generator=generator)]


def train(out: Path, recipe: Recipe, checkpoint_seconds: float = 120.0) -> dict[str, Any]:
    """Train on the corpus of the recipe's seed and write the model; what was measured."""
    began = time.monotonic()
    ids = encode(out, documents(recipe.seed, recipe.documents))
    held_out = blocks(encode(out, documents(HELD_OUT_SEED, HELD_OUT_DOCUMENTS)), recipe.block)
    order = batches(ids, recipe)
    print(f"{len(ids):,} tokens, {len(order):,} steps in one pass", flush=True)

    model = new_model(recipe.seed)
    masters = Masters(model, recipe, WORKERS)
    checkpoint = Checkpoint(out)
    first, before = checkpoint.load(masters)
    saved = started = time.monotonic()
    for step in range(first, recipe.steps):
        loss = masters.backward(order[step % len(order)], recipe.answer_weight)
        masters.step(rate(recipe, step), recipe.clip)
        now = time.monotonic()
        if step % 50 == 0:
            speed = (step - first + 1) * recipe.tokens_per_step / (now - started)
            print(f"step {step} loss {loss:.3f} {speed:,.0f} tokens/s", flush=True)
        if now - saved > checkpoint_seconds:
            checkpoint.save(masters, step + 1, before + now - began)
            held = held_out_loss(model, held_out)
            print(f"step {step} held-out loss {held:.4f}, checkpoint written", flush=True)
            saved = time.monotonic()
    spread_unused(model, ids, recipe)
    measured = {
        "held_out_loss": round(held_out_loss(model, held_out), 4),
        "recipe": asdict(recipe),
        "tokens": recipe.steps * recipe.tokens_per_step,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(before + time.monotonic() - began),
        "workers": WORKERS,
    }
    model.save_pretrained(out)
    write_json(out / "training.json", measured)
    checkpoint.path.unlink(missing_ok=True)
    return measured


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--seed", type=int, default=recipe.seed)
    parser.add_argument("--documents", type=int, default=recipe.documents)
    parser.add_argument("--steps", type=int, default=recipe.steps)
    parser.add_argument("--tokenizer-only", action="store_true")
    options = parser.parse_args(arguments)
    chosen = Recipe(seed=options.seed, documents=options.documents, steps=options.steps)
    build_tokenizer(documents(recipe.seed, TOKENIZER_DOCUMENTS), options.out)
    if not options.tokenizer_only:
        print(json.dumps(train(options.out, chosen), indent=2), flush=True)


if __name__ == "__main__":
    main()
