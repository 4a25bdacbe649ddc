"""Rows laid end to end instead of padded, and what they begin with in common only once.

Rows of a pass that begin with the same tokens (a system text, an instruction, a template) share
them: the shared tokens are computed once, and each row's own tokens attend to them and to
themselves. Positions go on behind the shared tokens, so that the loss and the gradients of a step
are those of the padded rows; a label in the shared part counts once for each row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

IGNORE = -100
# A pass has a multiple of so many tokens. Libraries of matrix products prepare themselves for each
# size they meet: with any size at all a third of the time went into that, and half the memory.
MULTIPLE = 64
# Tokens of a forward pass, where no row is longer: fewer, and the processor waits for memory.
PASS = 1024
LEAST_SHARED = 8  # tokens; below that sharing costs more than it saves


class RowGroup(NamedTuple):
    """Rows that share their first tokens, one behind the other in a pass.

    Attributes:
        shared: how many tokens they have in common; they stand first.
        own: how many tokens each row has of its own, the longest first.
    """

    shared: int
    own: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return self.shared + sum(self.own)


@dataclass(frozen=True)
class PackLayout:
    """Where the rows of a pass lie; attention keeps to it.

    Attributes:
        groups: in their order; their tokens are the whole pass.
        filler: how many tokens at the end only fill the pass up; nobody reads what becomes of
            them. They are a group of their own.
    """

    groups: tuple[RowGroup, ...]
    filler: int = 0
    _masks: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def tokens(self) -> int:
        return sum(group.tokens for group in self.groups)

    def mask(self, window: int | None, device: torch.device) -> torch.Tensor:
        """Return what each token attends to: bool [T, T], of all layers with such a window."""
        import torch

        key = (window, device)
        if key not in self._masks:
            group, row, position = torch.tensor(list(self._places()), device=device).unbind(1)
            index = torch.arange(len(group), device=device)
            mask = (index[:, None] >= index) & (group[:, None] == group)
            mask &= (row == SHARED) | (row[:, None] == row)
            if window is not None:
                mask &= position[:, None] - position < window
            self._masks[key] = mask
        return self._masks[key]

    def _places(self) -> Iterator[tuple[int, int, int]]:
        """Yield each token's group, row (`SHARED` for all of the group) and position."""
        rows = itertools.count()
        for number, group in enumerate(self.groups):
            yield from ((number, SHARED, position) for position in range(group.shared))
            for own in group.own:
                row = next(rows)
                yield from ((number, row, group.shared + place) for place in range(own))


SHARED = -1


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


def shared_groups(rows: Sequence[Sequence[int]]) -> list[tuple[int, list[int]]]:
    """Group rows by their first tokens so that the fewest tokens are computed.

    Sorted, rows that begin alike are neighbours, so the best grouping is one of neighbours
    (dynamic programming over the cuts).

    Args:
        rows: token ids.

    Returns:
        How many tokens each group shares, and its rows' indices. A row has at least one token of
        its own.
    """
    order = sorted(range(len(rows)), key=lambda index: (rows[index], index))
    alike = [0] + [_alike(rows[a], rows[b]) for a, b in itertools.pairwise(order)]
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # tokens saved, where the group begins, shared
    for end in range(1, len(order) + 1):
        shared = len(rows[order[end - 1]]) - 1
        found = (best[end - 1][0], end - 1, 0)
        for begin in range(end - 2, -1, -1):
            shared = min(shared, alike[begin + 1], len(rows[order[begin]]) - 1)
            if shared < LEAST_SHARED:
                break
            saved = best[begin][0] + shared * (end - begin - 1)
            found = max(found, (saved, begin, shared))
        best.append(found)
    groups: list[tuple[int, list[int]]] = []
    apart: list[int] = []  # rows that share nothing
    end = len(order)
    while end:
        _, begin, shared = best[end]
        if shared:
            groups.append((shared, order[begin:end]))
        else:
            apart += order[begin:end]
        end = begin
    return [*groups, (0, apart)] if apart else groups


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two rows have in common at their beginning."""
    least = min(len(one), len(other))
    return next((place for place in range(least) if one[place] != other[place]), least)


def pack(rows: Sequence[dict[str, torch.Tensor]], limit: int) -> dict[str, Any]:
    """Pack a batch of rows into forward passes.

    Args:
        rows: each with ``input_ids`` and ``labels`` of length L; with none, nothing is learned.
        limit: the most tokens of rows in one forward pass; a longer row has its own.

    Returns:
        ``passes``, each with ``input_ids`` and ``position_ids`` of shape [1, T], ``layout``, and N
        ``targets`` with the ``sources`` in T that predict them; and ``labels``, [1, N of all
        passes + 1], which begins with no label, for the Trainer to count; ``useful``, the rows'
        tokens.
    """
    import torch

    ids = [row["input_ids"].tolist() for row in rows]
    chosen, _ = _arrange(ids, limit)
    passes = [_pass(rows, group) for group in chosen]
    targets = [one["targets"] for one in passes]
    return {
        "passes": passes,
        "labels": torch.cat([torch.tensor([IGNORE]), *targets])[None],
        "useful": sum(map(len, ids)),
    }


def pass_sizes(rows: Sequence[Sequence[int]], limit: int) -> list[int]:
    """Return how many tokens each pass has that `pack` makes of a batch, filler included."""
    return [max(1, math.ceil(size / MULTIPLE)) * MULTIPLE for size in _arrange(rows, limit)[1]]


def _arrange(
    ids: Sequence[Sequence[int]], limit: int
) -> tuple[list[list[tuple[int, list[int]]]], list[int]]:
    """Return the groups of rows in each pass, and how many tokens it has."""
    parts = [
        part
        for shared, members in shared_groups(ids)
        for part in _parts(shared, members, [len(ids[row]) for row in members], limit)
    ]
    sizes = [shared + sum(len(ids[row]) - shared for row in members) for shared, members in parts]
    groups = bins(sizes, limit) or [[]]
    return (
        [[parts[place] for place in group] for group in groups],
        [sum(sizes[place] for place in group) for group in groups],
    )


def _parts(
    shared: int, members: list[int], lengths: list[int], limit: int
) -> Iterator[tuple[int, list[int]]]:
    """Cut a group into parts of at most `limit` tokens; the longest rows come first."""
    own = {row: length - shared for row, length in zip(members, lengths, strict=True)}
    ranked = sorted(members, key=lambda row: (-own[row], row))
    if not shared:  # each row may go where there is room
        yield from ((0, [row]) for row in ranked)
        return
    for group in bins([own[row] for row in ranked], limit - shared):
        yield shared, [ranked[place] for place in group]


def _pass(
    rows: Sequence[dict[str, torch.Tensor]], parts: Sequence[tuple[int, list[int]]]
) -> dict[str, Any]:
    """Lay out the rows of one forward pass, filled up to `MULTIPLE`."""
    import torch

    ids: list[torch.Tensor] = []
    positions: list[torch.Tensor] = []
    sources: list[torch.Tensor] = [torch.empty(0, dtype=torch.long)]
    targets: list[torch.Tensor] = [torch.empty(0, dtype=torch.long)]
    groups: list[RowGroup] = []
    begin = 0
    alone = [row for shared, members in parts if not shared for row in members]
    for shared, members in [part for part in parts if part[0]] + ([(0, alone)] if alone else []):
        ids.append(rows[members[0]]["input_ids"][:shared])
        positions.append(torch.arange(shared))
        end, own = begin + shared, []
        for row in members:
            tokens, labels = rows[row]["input_ids"], rows[row]["labels"]
            place = torch.arange(len(tokens)) + begin  # of each token in the pass
            place[shared:] += end - begin - shared
            learned = (labels[1:] != IGNORE).nonzero()[:, 0]
            sources.append(place[learned])
            targets.append(labels[learned + 1])
            ids.append(tokens[shared:])
            positions.append(torch.arange(shared, len(tokens)))
            own.append(len(tokens) - shared)
            end += own[-1]
        groups.append(RowGroup(shared, tuple(own)))
        begin = end
    missing = -begin % MULTIPLE if begin else MULTIPLE
    if missing:
        ids.append(torch.zeros(missing, dtype=torch.long))
        positions.append(torch.arange(missing))
        groups.append(RowGroup(0, (missing,)))
    return {
        "input_ids": torch.cat(ids)[None],
        "position_ids": torch.cat(positions)[None],
        "sources": torch.cat(sources),
        "targets": torch.cat(targets),
        # with no rows, the filler is attended to: other ranks wait for each weight's gradient
        "layout": PackLayout(tuple(groups), missing if begin else 0),
    }
