"""Datasets of the hub: which files of which commit, downloaded into the hub's own cache."""

from __future__ import annotations

import re
from pathlib import Path

from phi3scaffold.errors import ScaffoldError

ADDRESS = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")


def download(address: str) -> Path:
    """The file behind ``hf://datasets/owner/name@commit/path``, in the hub's cache.

    Raises:
        ScaffoldError: the address is wrong, or the file cannot be had.
    """
    from huggingface_hub import hf_hub_download

    parts = ADDRESS.fullmatch(address)
    if parts is None:
        raise ScaffoldError(
            "The hub address is incomplete.",
            where=address,
            fix="hf://datasets/owner/name@commit/path, the commit in full (40 hex digits)",
        )
    return Path(
        hf_hub_download(parts["repo"], parts["path"], repo_type="dataset", revision=parts["commit"])
    )
