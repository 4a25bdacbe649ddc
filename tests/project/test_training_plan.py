"""The number of steps that olive-config.json leads to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.project.olive_config import load_config
from phi3scaffold.project.training_plan import plan_of


@pytest.mark.parametrize(
    ("arguments", "rows", "steps"),
    [
        ({"num_train_epochs": 2, "per_device_train_batch_size": 16}, 229, 30),
        ({"num_train_epochs": 3, "per_device_train_batch_size": 4}, 10, 9),
        (
            {
                "num_train_epochs": 3,
                "per_device_train_batch_size": 4,
                "gradient_accumulation_steps": 4,
            },
            100,
            21,
        ),
        ({"num_train_epochs": 9, "max_steps": 12}, 1000, 12),
        ({"num_train_epochs": 0.5, "per_device_train_batch_size": 10}, 100, 5),
        ({"extra_args": {"num_train_epochs": 1, "per_device_train_batch_size": 5}}, 50, 10),
        ({}, 80, 30),  # transformers' own: 8 rows, 3 epochs
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(
    tmp_path: Path, arguments: dict, rows: int, steps: int
) -> None:
    path = tmp_path / "olive-config.json"
    passes = {"tune": {"type": "LoRA", "training_args": arguments}}
    path.write_text(json.dumps({"passes": passes}), encoding="utf-8")
    plan = plan_of(load_config(path))
    assert plan.steps(rows) == steps
    assert plan.where == "passes.tune.training_args in fine-tuning/olive-config.json"
