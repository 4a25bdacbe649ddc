"""Attention over packed rows: no row attends to another, and all of a group to what they share.

On a CPU the rows of a group go through two products and a softmax together, padded to one length:
a call of SDPA for each row costs more in calls than in work, and its backward pass is several times
slower than these products. Long rows, whose padding and scores would weigh, have a call of SDPA
each. On a GPU one call with a mask costs least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from phi3scaffold.training.packing import PackLayout

ROWS, MASK = "phi3scaffold_rows", "phi3scaffold_mask"  # names of the two ways
LONG = 512  # tokens of its own, from which on a row is attended to alone
LEAST_FILLED = 0.6  # of the longest row of a padded call, which the others must have


class AttentionRule(NamedTuple):
    """The factor of the scores, the share of dropout, and how many tokens back a token looks."""

    scale: float
    dropout: float
    window: int | None


def name_for(device: torch.device) -> str:
    """Return the attention implementation that costs least on a device."""
    return ROWS if device.type == "cpu" else MASK


def attend_by_groups(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    layout: PackLayout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally inside each row; without a layout (while generating), as SDPA does.

    Args:
        query: [1, heads, T, head size]; `key` and `value` have [1, key heads, T, head size].
        attention_mask: none for packed rows.
        sliding_window: how many tokens back a token looks, or None.
        layout: where the rows lie.

    Returns:
        [1, T, heads, head size].
    """
    settings = {"dropout": dropout, "scaling": scaling, "sliding_window": sliding_window}
    if layout is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, **settings, **others
        )
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    # the products' own type: autocast would convert back and forth
    with torch.autocast(query.device.type, enabled=False):
        how = AttentionRule(scale, dropout, sliding_window)
        found = _by_groups(query[0], key[0], value[0], layout, how)
    return found.transpose(0, 1)[None], None


def attend_by_mask(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    layout: PackLayout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Do what `attend_by_groups` does, by one call of SDPA with a mask of the layout."""
    if layout is not None:
        attention_mask = layout.mask(sliding_window, query.device)[None, None]
    settings = {"dropout": dropout, "scaling": scaling, "sliding_window": sliding_window}
    return sdpa_attention_forward(module, query, key, value, attention_mask, **settings, **others)


def _by_groups(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: PackLayout,
    how: AttentionRule,
) -> torch.Tensor:
    """Return the attention of query [heads, T, d] to key and value [key heads, T, d]."""
    sizes = [size for group in layout.groups for size in (group.shared, *group.own)]
    queries, keys, values = (states.split(sizes, dim=1) for states in (query, key, value))
    found: list[torch.Tensor] = []
    at = 0
    for group in layout.groups:
        first_key, first_value = keys[at], values[at]
        if group.shared:
            found += _padded([queries[at]], [first_key], [first_value], None, how)
        at += 1
        before = (first_key, first_value) if group.shared else None
        for few in _alike(group.own):
            rows = slice(at, at + few)
            one_by_one = few == 1 and sizes[at] > LONG
            attend = _alone if one_by_one else _padded
            found += attend(queries[rows], keys[rows], values[rows], before, how)
            at += few
    return torch.cat(found, dim=1)


def _alike(lengths: Sequence[int]) -> Iterator[int]:
    """Yield how many rows, longest first, go through one call: those of about one length."""
    begin = 0
    while begin < len(lengths):
        longest, end = lengths[begin], begin + 1
        if longest <= LONG:
            while end < len(lengths) and lengths[end] >= LEAST_FILLED * longest:
                end += 1
        yield end - begin
        begin = end


def _padded(
    queries: Sequence[torch.Tensor],
    keys: Sequence[torch.Tensor],
    values: Sequence[torch.Tensor],
    before: tuple[torch.Tensor, torch.Tensor] | None,
    how: AttentionRule,
) -> list[torch.Tensor]:
    """Attend in R rows at once: [heads, L, d] each, the longest first; `before`: what they share.

    Heads that share keys are so many more queries of one product.
    """
    heads, longest, size = queries[0].shape
    groups = keys[0].shape[0]
    lengths = [row.shape[1] for row in queries]
    q, k, v = (_stacked(rows, longest) for rows in (queries, keys, values))
    # [key heads, R, queries of a key, L, d]
    q = q.unflatten(0, (groups, heads // groups)).transpose(1, 2)
    flat = q.reshape(groups, -1, size)  # [key heads, R * queries * L, d]
    scores = (q.reshape(groups * len(lengths), -1, size) @ k.flatten(0, 1).transpose(1, 2)).view(
        groups, len(lengths), -1, longest, longest
    )
    shared = 0
    if before is not None:
        shared = before[0].shape[1]
        of_shared = (flat @ before[0].transpose(1, 2)).view(*scores.shape[:-1], shared)
        scores = torch.cat([of_shared, scores], dim=-1)
    scores = scores.float().mul(how.scale) + _causal(shared, longest, how.window)
    weights = scores.softmax(-1)
    if how.dropout:
        weights = torch.nn.functional.dropout(weights, how.dropout)
    weights = weights.to(v.dtype)
    own = weights[..., shared:].reshape(groups * len(lengths), -1, longest)
    result = (own @ v.flatten(0, 1)).view(groups, len(lengths), -1, longest, size)
    if before is not None:
        over = weights[..., :shared].reshape(groups, -1, shared)
        result = result + (over @ before[1]).view(result.shape)
    rows = result.transpose(1, 2).flatten(0, 1)  # [heads, R, L, d]
    return [rows[:, number, :length] for number, length in enumerate(lengths)]


def _stacked(rows: Sequence[torch.Tensor], longest: int) -> torch.Tensor:
    """Pad rows [heads, L, d] to [heads, R, longest, d]."""
    if len(rows) == 1:
        return rows[0][:, None]
    padded = [torch.nn.functional.pad(row, (0, 0, 0, longest - row.shape[1])) for row in rows]
    return torch.stack(padded, dim=1)


def _causal(shared: int, longest: int, window: int | None) -> torch.Tensor:
    """Return what is added to the scores of L queries over shared and own keys: 0, or -infinity."""
    at = torch.arange(longest)[:, None] + shared
    back = at - torch.arange(shared + longest)
    hidden = back < 0
    if window is not None:
        hidden |= back >= window
    return torch.zeros(hidden.shape).masked_fill(hidden, -math.inf)


def _alone(
    queries: Sequence[torch.Tensor],
    keys: Sequence[torch.Tensor],
    values: Sequence[torch.Tensor],
    before: tuple[torch.Tensor, torch.Tensor] | None,
    how: AttentionRule,
) -> list[torch.Tensor]:
    """Attend in one long row by SDPA, in float32: its backward pass is three times faster so."""
    (query,), (key,), (value,) = queries, keys, values
    shared = 0
    if before is not None:
        shared = before[0].shape[1]
        key, value = torch.cat([before[0], key], dim=1), torch.cat([before[1], value], dim=1)
    length = query.shape[1]
    plain = not shared and (how.window is None or length <= how.window)
    mask = None if plain else _causal(shared, length, how.window)
    repeats = query.shape[0] // key.shape[0]
    found = torch.nn.functional.scaled_dot_product_attention(
        query.float()[None],
        repeat_kv(key.float()[None], repeats),
        repeat_kv(value.float()[None], repeats),
        attn_mask=mask,
        dropout_p=how.dropout,
        is_causal=mask is None,
        scale=how.scale,
    )
    return [found[0].to(query.dtype)]


def _mask(
    *args: Any, attention_mask: torch.Tensor | None = None, **settings: Any
) -> torch.Tensor | None:
    """Return no mask where nothing is padded: packed rows need none."""
    if attention_mask is None:
        return None
    return sdpa_mask(*args, attention_mask=attention_mask, **settings)


for _name, _attend in ((ROWS, attend_by_groups), (MASK, attend_by_mask)):
    AttentionInterface.register(_name, _attend)
    AttentionMaskInterface.register(_name, _mask)
