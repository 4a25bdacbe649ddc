"""Rows laid end to end instead of padded: hardly a token is computed that belongs to no row.

Attention stays inside each row, whose positions begin at 0 again, so that the loss and gradients of
a step are those of the padded rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

IGNORE = -100
# A pass has a multiple of so many tokens. Libraries of matrix products prepare themselves for each
# size they meet: with any size at all a third of the time went into that, and half the memory.
MULTIPLE = 64


def bins(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Return groups of row indices, each of at most `limit` tokens (first fit, longest first).

    A row longer than that has a group of its own.
    """
    groups: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        for number, left in enumerate(room):
            if length <= left:
                groups[number].append(index)
                room[number] -= length
                break
        else:
            groups.append([index])
            room.append(limit - length)
    return groups


def pack(rows: Sequence[dict[str, torch.Tensor]], limit: int) -> dict[str, torch.Tensor]:
    """Pack a batch of rows into one sequence of T tokens.

    Args:
        rows: each with ``input_ids`` and ``labels`` of length L; with none, nothing is learned.
        limit: the most tokens of rows in one forward pass; see `packs`.

    Returns:
        ``input_ids``, ``position_ids`` and ``labels`` of shape [1, T], and ``ends``, where each
        forward pass's share of T ends.
    """
    import torch

    groups = [
        [rows[index] for index in group]
        for group in bins([len(row["input_ids"]) for row in rows], limit)
    ] or [[]]
    for group in groups:
        missing = -sum(len(row["input_ids"]) for row in group) % MULTIPLE if group else MULTIPLE
        if missing:
            nothing = torch.zeros(missing, dtype=torch.long)
            group.append({"input_ids": nothing, "labels": nothing + IGNORE})
    order = [row for group in groups for row in group]
    labels = [row["labels"].clone() for row in order]
    for row in labels:
        row[0] = IGNORE  # nothing of its own stands before it
    ends = torch.tensor([sum(len(row["input_ids"]) for row in group) for group in groups])
    return {
        "input_ids": torch.cat([row["input_ids"] for row in order])[None],
        "position_ids": torch.cat([torch.arange(len(row["input_ids"])) for row in order])[None],
        "labels": torch.cat(labels)[None],
        "ends": ends.cumsum(0),
    }


def packs(batch: dict[str, Any]) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the forward passes of a packed batch, each [1, T]."""
    begin = 0
    for end in batch["ends"].tolist():
        yield {name: batch[name][:, begin:end] for name in ("input_ids", "position_ids", "labels")}
        begin = end


def row_bounds(position_ids: torch.Tensor) -> torch.Tensor:
    """Return where the rows of a pack [1, T] begin, and T: [rows + 1], int32."""
    import torch

    starts = (position_ids[0] == 0).nonzero()[:, 0]
    return torch.cat([starts, starts.new_tensor([position_ids.shape[1]])]).int()
