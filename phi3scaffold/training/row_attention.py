"""Attention in rows of about one length, forward and backward, in as few passes over memory as can.

Autograd would keep the scores in float32, fill whole tensors with zeros for the gradient of each
row's slice, and add them up: a fifth of a step of a small model. Here rows are padded and taken
apart again by index, and only the weights of attention are kept, in the model's own type.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

CACHED = 256  # shapes of rows: every layer meets the same ones


class RowPlaces(NamedTuple):
    """Where rows lie when they are padded to the longest of them, and back.

    Attributes:
        lengths: of the rows, the longest first.
        padded: for each place of the padded rows, the token that stands there; int64 [R * L].
        tokens: for each token, its place; int64 [n].
        empty: the places that hold no token of their row.
    """

    lengths: tuple[int, ...]
    padded: torch.Tensor
    tokens: torch.Tensor
    empty: torch.Tensor


@lru_cache(CACHED)
def places_of(lengths: tuple[int, ...]) -> RowPlaces:
    """Return the places of rows of these lengths, which lie one behind the other."""
    longest = torch.arange(lengths[0])
    ends = torch.tensor(lengths).cumsum(0)
    inside = longest < torch.tensor(lengths)[:, None]
    starts = ends - torch.tensor(lengths)
    padded = torch.where(inside, starts[:, None] + longest, ends[:, None] - 1)
    inside = inside.flatten()
    return RowPlaces(lengths, padded.flatten(), inside.nonzero()[:, 0], (~inside).nonzero()[:, 0])


@lru_cache(CACHED)
def causal(shared: int, longest: int, window: int | None) -> torch.Tensor:
    """Return what is added to the scores of L queries over shared and own keys: 0, or -infinity."""
    at = torch.arange(longest)[:, None] + shared
    back = at - torch.arange(shared + longest)
    hidden = back < 0
    if window is not None:
        hidden |= back >= window
    return torch.zeros(hidden.shape).masked_fill(hidden, -math.inf)


class RowAttention(torch.autograd.Function):
    """Causal attention inside each of R rows, and over the tokens that stand before all of them."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        first_key: torch.Tensor | None,
        first_value: torch.Tensor | None,
        lengths: tuple[int, ...],
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Return the attention, [n, heads, d].

        Heads that share keys are so many more queries of one product.

        Args:
            query: [n, heads, d], row by row; `key` and `value` have [n, key heads, d].
            first_key, first_value: [S, key heads, d] of what all rows begin with, or None.
            lengths: of the rows, the longest first; n together.
            scale: of the scores.
            window: how many tokens back a token looks, or None.
        """
        places, heads = places_of(lengths), key.shape[1]
        q, k, v = (_rows(states, places, heads) for states in (query, key, value))
        shared = 0 if first_key is None else first_key.shape[0]
        scores = torch.empty(*q.shape[:3], shared + lengths[0], dtype=torch.float32)
        scores[..., shared:] = q @ k.mT
        if first_key is not None and first_value is not None:
            first_key, first_value = first_key.transpose(0, 1), first_value.transpose(0, 1)
            scores[..., :shared] = _flat(q, first_key.mT)
        by_query = scores.mul_(scale).unflatten(2, (-1, lengths[0]))
        by_query += causal(shared, lengths[0], window)
        weights = scores.softmax(-1)
        own = weights[..., shared:].to(v.dtype, copy=True)
        over = weights[..., :shared].to(v.dtype, copy=True) if shared else None
        result = own @ v
        if over is not None:
            result += _flat(over, first_value)
        ctx.save_for_backward(q, k, v, first_key, first_value, own, over)
        ctx.places, ctx.scale = places, scale
        return _tokens(result, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        q, k, v, first_key, first_value, own, over = ctx.saved_tensors
        places, heads = ctx.places, k.shape[0]
        of_result = _rows(gradient, places, heads, empty=True)
        of_own = (of_result @ v.mT).float()
        weights = own.float()
        mean = (of_own * weights).sum(-1, keepdim=True)
        of_first_key = of_first_value = None
        if over is not None:
            of_over, over_weights = _flat(of_result, first_value.mT).float(), over.float()
            mean += (of_over * over_weights).sum(-1, keepdim=True)
            of_over = of_over.sub_(mean).mul_(over_weights).mul_(ctx.scale).to(q.dtype)
            of_first_key = (of_over.flatten(1, 2).mT @ q.flatten(1, 2)).transpose(0, 1)
            of_first_value = (over.flatten(1, 2).mT @ of_result.flatten(1, 2)).transpose(0, 1)
        of_own = of_own.sub_(mean).mul_(weights).mul_(ctx.scale).to(q.dtype)
        of_q = of_own @ k
        if over is not None:
            of_q += _flat(of_over, first_key)
        of_k, of_v = of_own.mT @ q, own.mT @ of_result
        of_all = (_tokens(states, places) for states in (of_q, of_k, of_v))
        return *of_all, of_first_key, of_first_value, None, None, None


def _flat(rows: torch.Tensor, one: torch.Tensor) -> torch.Tensor:
    """Multiply what all rows of a key head have, [key heads, R, m, a], by one [key heads, a, b]."""
    return (rows.flatten(1, 2) @ one).unflatten(1, rows.shape[1:3])


def _rows(
    tokens: torch.Tensor, places: RowPlaces, heads: int, *, empty: bool = False
) -> torch.Tensor:
    """Pad rows [n, h, d] to [heads, R, h / heads * L, d]; `empty` fills up with zeros."""
    count, size = len(places.lengths), tokens.shape[-1]
    flat = tokens.flatten(1)
    if count > 1:
        flat = flat.index_select(0, places.padded)
        if empty and len(places.empty):
            flat.index_fill_(0, places.empty, 0)
    padded = flat.view(count, places.lengths[0], heads, -1, size)
    return padded.permute(2, 0, 3, 1, 4).reshape(heads, count, -1, size)


def _tokens(rows: torch.Tensor, places: RowPlaces) -> torch.Tensor:
    """Take padded rows apart again: the reverse of `_rows`."""
    heads, count, _, size = rows.shape
    parts = rows.view(heads, count, -1, places.lengths[0], size).permute(1, 3, 0, 2, 4)
    flat = parts.reshape(count * places.lengths[0], -1)
    if len(places.empty):
        flat = flat.index_select(0, places.tokens)
    return flat.view(flat.shape[0], -1, size)
