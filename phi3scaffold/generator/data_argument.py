"""What a person writes after --data: files, a sheet of a workbook, a page of the hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.normalization import (
    NormalFile,
    ReadingOptions,
    normal_file,
    split_sheet,
)
from phi3scaffold.project.errors import ScaffoldError

HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")


def hub_address(data: str) -> str:
    """Return --data, where it is a page of the hub as the dataset that it shows.

    Raises:
        ScaffoldError: it is another web address.
    """
    address = urlsplit(data)
    if address.scheme in ("", "hf") or "://" not in data:
        return data
    if address.netloc.lower() in HUB_HOSTS:
        match unquote(address.path).strip("/").split("/"):
            case ["datasets", owner, name, "tree" | "blob" | "resolve" | "raw", revision, *path]:
                if path:
                    return f"{dataset_hub.HUB}{owner}/{name}@{revision}/{'/'.join(path)}"
                return f"{owner}/{name}@{revision}"
            case ["datasets", owner, name, *_]:
                return f"{owner}/{name}"
    raise ScaffoldError(
        "This is a web address; --data takes a file, a folder, or a dataset of the hub.",
        where=f"--data {data}",
        fix="download it and give the file; for a dataset on the hub, give owner/name",
    )


def normal_files(data: Sequence[str | Path], reading: ReadingOptions) -> list[NormalFile]:
    """Return the files as every program reads them: see `normal_file`."""
    normal = []
    for one in data:
        path, sheet = split_sheet(one)
        for file in data_files([_existing(path)]):
            normal.append(normal_file(file, reading, sheet))
    return normal


def _existing(path: Path) -> Path:
    if not os.path.lexists(path):
        raise ScaffoldError(
            "The data file does not exist.",
            where=path,
            fix="check --data: a file, a folder, or owner/name of a dataset on the hub",
        )
    return path
