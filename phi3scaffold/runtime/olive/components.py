"""Data components that Olive finds by name: the rows of dataset.yaml, rendered with their labels.

Importing this module registers them; fine-tuning/user_script.py of a generated project does just
that, so stock `olive run` trains on the same tokens and labels as `phi3scaffold finetune`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from olive.data.registry import Registry

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.spec import load_spec
from phi3scaffold.rows.turns import Conversation
from phi3scaffold.runtime.data.render import Rendered, Renderer
from phi3scaffold.runtime.data.split import load_splits

if TYPE_CHECKING:
    from torch.utils.data import Dataset


class Rows(list[Conversation]):
    """The conversations of one split, with the limit that rendering needs."""

    def __init__(self, rows: list[Conversation], max_tokens: int) -> None:
        super().__init__(rows)
        self.max_tokens = max_tokens


@Registry.register_dataset("phi3scaffold_rows")
def phi3scaffold_rows(dataset: str, split: str, **_: Any) -> Rows:
    """Load one split (``train`` or ``held_out``) of a dataset.yaml."""
    spec = load_spec(Path(dataset))
    splits = load_splits(spec)
    return Rows(splits.train if split == "train" else splits.held_out, spec.max_tokens)


@Registry.register_pre_process("phi3scaffold_turns")
def phi3scaffold_turns(dataset: Rows, model_name: str, **_: Any) -> Dataset:
    """Render the rows: samples of ``(inputs, labels)``, labels -100 except on answers.

    Args:
        dataset: what `phi3scaffold_rows` returned.
        model_name: the model's folder; Olive fills it in from the input model.
    """
    import torch

    made = Renderer(Path(model_name), dataset.max_tokens).render(dataset)
    samples = [row for row in made if isinstance(row, Rendered)]
    dropped = [row for row in made if not isinstance(row, Rendered)]
    if not samples:
        raise ScaffoldError(
            f"No row is left to train on: all {len(dropped)} are {dropped[0].reason}.",
            where="datasets/dataset.yaml: max_tokens",
            fix="raise max_tokens, or shorten the rows",
        )
    return Samples(
        [
            (
                {
                    "input_ids": torch.tensor(sample.input_ids),
                    "attention_mask": torch.ones(len(sample.input_ids), dtype=torch.long),
                },
                torch.tensor(sample.labels),
            )
            for sample in samples
        ]
    )


class Samples(list):  # what Olive asks for: __len__ and __getitem__
    """Samples as Olive's containers take them: ``({input_ids, attention_mask}, labels)``."""
