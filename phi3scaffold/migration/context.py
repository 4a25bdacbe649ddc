"""What the fate of a field depends on besides its own value."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.generator import template
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.registry import DEFAULT


class DroppedField(Exception):
    """Why this very value has no place, though its field has one: the person may want to act."""


class NeedlessField(DroppedField):
    """The same, and nothing is lost by it."""


@dataclass(frozen=True)
class MigrationContext:
    """What else the file says.

    Attributes:
        folders: where a relative path may start.
        own_template: whether the rows have a text_template.
        hub: the rows' dataset on the hub, ``owner/name`` or an address in it.
        cloud: the rows' address in Azure, ``azureml://...``.
        registry: the model's address in Azure, ``azureml:...``.
        vault: whether a Key Vault is named.
    """

    algo: str
    target: str
    precision: str
    folders: tuple[Path, ...] = ()
    own_template: bool = False
    hub: str | None = None
    cloud: str | None = None
    registry: str | None = None
    vault: bool = False
    family: Family = DEFAULT

    @property
    def remote(self) -> bool:
        """Whether the project's pipeline is a job of Azure ML."""
        return self.target in template.cloud_targets()

    @property
    def on_gpu(self) -> bool:
        return self.remote or self.target == "cuda"

    def find(self, text: str) -> list[Path]:
        """Return the file or folder that `text` names, or the files that it matches."""
        path = Path(text.replace("\\", "/") if os.sep == "/" else text).expanduser()
        for folder in self.folders:
            if (folder / path).exists():
                return [folder / path]
            if any(mark in text for mark in "*?[") and not path.is_absolute():
                matching = sorted(folder.glob(path.as_posix()))
                if matching:
                    return matching
        return []
