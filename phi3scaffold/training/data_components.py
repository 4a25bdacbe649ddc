"""Data components that Olive finds by name: the prepared rows, with their labels.

Importing this module registers them, as a project's fine-tuning/user_script.py does through
stages/olive_rows.py: stock `olive run` trains on the same tokens as `phi3scaffold finetune`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from olive.data.registry import Registry

from phi3scaffold.datasets.prepared_rows import (
    TRAIN,
    VALIDATION,
    Prepared,
    has_validation,
    spread,
)
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, find_project

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Dataset


def rows_are_fresh(project: Project) -> bool:
    """Tell whether the prepared rows are what the data stage would make now; set from above."""
    raise RuntimeError("stages/olive_rows.py was not imported")


@Registry.register_dataset("phi3scaffold_rows")
def phi3scaffold_rows(dataset: str, split: str, **_: Any) -> Prepared:
    """Return one split of the rows of a project's dataset.yaml: ``train`` or ``validation``.

    Without a validation set both are the training rows. Held-out rows are never read here, since
    they only measure: where a config names them, as those of version 0.2 do, it gets the validation
    rows.

    Raises:
        ScaffoldError: they were not prepared yet, or have changed since.
    """
    project = find_project(Path(dataset).resolve().parent)
    if not rows_are_fresh(project):
        raise ScaffoldError(
            "The rows were not prepared, or have changed since.",
            where=dataset,
            fix="run: phi3scaffold data",
        )
    train = split == TRAIN or not has_validation(project.rows)
    return Prepared(project.rows, TRAIN if train else VALIDATION)


@Registry.register_pre_process("phi3scaffold_turns")
def phi3scaffold_turns(
    dataset: Prepared, model_name: str, max_samples: int | None = None, **_: Any
) -> Dataset:
    """Return the rows as samples of ``(inputs, labels)``, labels -100 except on answers.

    Args:
        dataset: what `phi3scaffold_rows` returned.
        model_name: the model's folder; Olive fills it in from the input model.
        max_samples: only so many rows, spread evenly over all (a quantizer looks at a few).

    Raises:
        ScaffoldError: the rows were rendered with another tokenizer than the model's.
    """
    project = find_project(dataset.folder)
    own, theirs = project.tokenizer / "tokenizer.json", Path(model_name) / "tokenizer.json"
    if theirs.is_file() and own.read_bytes() != theirs.read_bytes():
        raise ScaffoldError(
            "The rows were rendered with another tokenizer than this model's.",
            where=theirs,
            fix="set input_model.model_path to model-cache/base",
        )
    return Samples(dataset, load_spec(project.dataset_yaml).max_tokens, max_samples)


class Samples:  # Olive needs __len__ and __getitem__
    """Prepared rows as Olive's containers take them: ``({input_ids, attention_mask}, labels)``.

    `tokens` are those of all rows, `longest` of the longest, `max_tokens` the most one may have.
    """

    def __init__(self, rows: Prepared, max_tokens: int, most: int | None = None) -> None:
        self.rows = rows
        self.chosen = spread(len(rows), most)
        lengths = rows.lengths[self.chosen]
        self.tokens, self.longest = int(lengths.sum()), int(lengths.max(initial=0))
        self.max_tokens = max_tokens

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        import torch

        if index >= len(self):
            raise IndexError(index)
        ids, labels = self.rows[self.chosen[index]]
        inputs = torch.tensor(ids, dtype=torch.long)
        mask = torch.ones(len(ids), dtype=torch.long)
        return {"input_ids": inputs, "attention_mask": mask}, torch.tensor(labels, dtype=torch.long)
