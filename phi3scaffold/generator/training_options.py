"""What `new --epochs --rank --lr` change in the Olive config that the template wrote."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.project.algorithms import ALGORITHMS, algorithm_of
from phi3scaffold.project.files import write_whole
from phi3scaffold.project.layout import Layout
from phi3scaffold.project.olive_config import load_config
from phi3scaffold.project.text_edit import with_settings
from phi3scaffold.project.training_defaults import TrainingDefaults


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of the training that take the place of a new project's defaults.

    Attributes:
        epochs: passes over the rows.
        rank: of the adapter; `alpha` keeps its proportion to it.
        learning_rate: its peak.
    """

    epochs: float | None = None
    rank: int | None = None
    learning_rate: float | None = None

    def over(self, defaults: TrainingDefaults) -> TrainingDefaults:
        """Return the defaults with these settings in their place."""
        changed: dict[str, Any] = {}
        if self.epochs is not None:
            changed["epochs"] = self.epochs
        if self.learning_rate is not None:
            changed["learning_rate"] = f"{self.learning_rate:g}"
        return dataclasses.replace(defaults, **changed)

    def write(self, root: Path) -> None:
        """Write the settings into a project's Olive config."""
        path = Layout(root).olive_config
        config = load_config(path)
        name = config.names_for("finetune")[0]
        algorithm = algorithm_of(config.algo) or ALGORITHMS[0]
        values: dict[tuple[str, ...], Any] = {}
        if self.rank is not None:
            values["passes", name, "r"] = self.rank
            values["passes", name, "alpha"] = algorithm.alpha_for(self.rank)
        if self.epochs is not None:
            values["passes", name, "training_args", "num_train_epochs"] = self.epochs
        if self.learning_rate is not None:
            values["passes", name, "training_args", "learning_rate"] = self.learning_rate
        if values:
            write_whole(path, with_settings(path.read_text(encoding="utf-8"), values))
