"""What a training has to compute, counted from its rows and its settings before it starts."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from phi3scaffold.datasets.token_counts import TokenCounts, TokenRow
from phi3scaffold.pipeline.stage import Passes, Work
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.training_plan import plan_of
from phi3scaffold.training.packing import PASS, pass_sizes

BATCHES = 24  # that are packed, to know what a step has on average
STARTS = 2.0  # libraries: those of a form, and Olive's
UNKNOWN_ROWS = 0.15  # by how much tokens may be off that were only estimated


def training_work(counts: TokenCounts, config: OliveConfig, max_tokens: int) -> Work:
    """Return what the training pass of a config does with rows of these counts.

    Args:
        max_tokens: that any row may have.
    """
    plan = plan_of(config)
    steps = plan.steps(counts.train)
    limit = max(max_tokens, PASS)
    rows = min(plan.batch, counts.train)
    passes, tokens = batch_passes(counts.sample, rows, limit)
    batches = steps * plan.accumulation
    validations = _validations(config, counts, plan.epochs if not plan.max_steps else 1)
    seen, seen_tokens = batch_passes(counts.sample, min(8, max(1, counts.validation)), limit)
    looks = validations / min(8, max(1, counts.validation))
    labels = counts.labels
    return Work(
        trained=Passes(batches * passes, batches * tokens, batches * rows * labels),
        read=Passes(looks * seen, looks * seen_tokens, validations * labels),
        starts=STARTS,
        steps=steps,
        tokens=batches * rows * counts.tokens,
        spread=0.25 + (0 if counts.is_exact else UNKNOWN_ROWS),
    )


def batch_passes(sample: Sequence[TokenRow], rows: int, limit: int) -> tuple[float, float]:
    """Return the passes of a batch of so many rows and their tokens, on average."""
    if not sample or not rows:
        return 0.0, 0.0
    chance = random.Random(0)
    sizes = [
        pass_sizes([row.ids for row in chance.choices(sample, k=rows)], limit)
        for _ in range(BATCHES)
    ]
    return sum(map(len, sizes)) / BATCHES, sum(map(sum, sizes)) / BATCHES


def _validations(config: OliveConfig, counts: TokenCounts, epochs: float) -> float:
    """Return how many rows are read for validation losses."""
    name = config.training_pass.get("eval_data_config")
    if not name or config.training_arguments.get("eval_strategy") == "no":
        return 0.0
    rows: list[dict[str, Any]] = config.content.get("data_configs") or []
    found = next((one for one in rows if one.get("name") == name), {})
    most = (found.get("pre_process_data_config") or {}).get("max_samples") or counts.validation
    return math.ceil(epochs) * float(min(most, counts.validation))
